"""Size, opening time, response to the probe and correctness of the explorer.

    python tests/benchmarks/explorer.py [--picture FILE.png]

If XRDAE_TEST_DATA is set, measured series are included.

Chromium without a graphics card draws in software, which is slower. "over idle" is the time that a
move of the probe adds to two frames. "synthesized" is the time from the move to the new pattern.
"""

import argparse
import os
import shutil
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
import xarray as xr
from playwright.sync_api import sync_playwright

from xrdae.simulate import alloy_series

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FRAMES = """async () => {
  const e = window.explorer, frame = () => new Promise((r) => requestAnimationFrame(r));
  const z = e.usable.slice(0, 20).map((i) => e.synthesizer.latent(i));
  const timed = async (act) => {
    const start = performance.now();
    for (const latent of z) { act(latent); await frame(); await frame(); }
    return (performance.now() - start) / z.length;
  };
  await frame();
  const idle = await timed(() => {}), moved = await timed((latent) => { e.moveProbe(latent); });
  const start = performance.now();
  for (const latent of z.slice(0, 5)) await e.moveProbe(latent.map((v) => v + 0.01));
  return [idle, moved, (performance.now() - start) / 5];
}"""


def enlarged(series, n):
    """Return `n` mixtures of neighbours in a series, with counting noise."""
    rng = np.random.default_rng(0)
    first = rng.integers(0, series.sizes["pattern"] - 1, n)
    share = rng.random((n, 1)).astype(np.float32)
    intensity = series["intensity"].values.astype(np.float32)
    mixed = share * intensity[first] + (1 - share) * intensity[first + 1]
    return xr.Dataset(
        {"intensity": (("pattern", "two_theta"), rng.poisson(mixed).astype(np.float32))},
        {"two_theta": series["two_theta"], "ti": ("pattern", series["ti"].values[first])},
    )


def deviation(page, dataset, model):
    """Return the largest difference from the synthesis in Python, over the maximum of the pattern.

    The 40 latent points lie between random pairs of training patterns.
    """
    latents, rng = model.labels["latent"].values, np.random.default_rng(0)
    pairs, share = rng.integers(0, len(latents), (40, 2)), rng.random((40, 1))
    points = share * latents[pairs[:, 0]] + (1 - share) * latents[pairs[:, 1]]
    script = "(points) => points.map((z) => [...explorer.synthesizer.at(z).intensity])"
    shown = np.array(page.evaluate(script, points.tolist()))
    with warnings.catch_warnings(action="ignore"):  # some lie outside the data
        expected = dataset.xrdae.synthesize(model, latent=points)["synthesized"].values
    return (np.abs(shown - expected).max(axis=1) / expected.max(axis=1)).max()


def draw(page, path):
    """Save a picture of the upper part of the page after some use."""
    page.select_option("#color", label="ti")
    page.fill("#pinned", "40")
    page.locator("#peaks button").first.click()
    page.evaluate("explorer.moveProbe([1.2, 0.4])")
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(1500)
    page.screenshot(path=path, clip={"x": 0, "y": 0, "width": 1300, "height": 648})


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--picture", metavar="FILE.png", help="PNG file for a picture of the page")
    picture = parser.parse_args().picture
    series = alloy_series(iron=0.15)
    model = series.xrdae.fit(progress=False)
    cases = [(series, model), (enlarged(series, 2000), model), (enlarged(series, 20_000), model)]
    for path in sorted(Path(os.environ.get("XRDAE_TEST_DATA", "nowhere")).glob("*.nc")):
        measured = xr.load_dataset(path)
        cases.append((measured, measured.xrdae.fit(progress=False)))
    print("| patterns x points | page | made | opens | probe, over idle | synthesized | wrong by |")
    print("|---|---|---|---|---|---|---|")
    with sync_playwright() as running, tempfile.TemporaryDirectory() as folder:
        browser = running.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for dataset, fitted in cases:
            path = Path(folder) / "report.html"
            _ = fitted.mixture  # found at the first synthesis, with or without a page
            start = time.perf_counter()
            dataset.xrdae.report(fitted, path)
            made = time.perf_counter() - start
            opened = []
            for _ in range(4):  # the first one warms the browser
                page = browser.new_page(viewport={"width": 1300, "height": 900})
                page.goto(path.as_uri())
                page.wait_for_selector("body[data-ready]")
                opened.append(float(page.get_attribute("body", "data-ready")) / 1e3)
                page.wait_for_function("explorer.source('peaks').data.x.length", timeout=120_000)
            idle, moved, synthesized = page.evaluate(FRAMES)
            n, points = dataset["intensity"].shape
            print(
                f"| {n} x {points} | {path.stat().st_size / 1e6:.1f} MB | {made:.1f} s "
                f"| {np.median(opened[1:]):.2f} s (first {opened[0]:.2f} s) "
                f"| {moved - idle:.0f} ms | {synthesized:.0f} ms "
                f"| {deviation(page, dataset, fitted):.3%} |"
            )
            if picture and dataset is series:
                draw(page, picture)
        browser.close()


if __name__ == "__main__":
    main()
