"""Draw the layers of the package, from its imports and the contract in pyproject.toml.

Run `python docs/developers/draw_layers.py` to write `layers.svg` beside this script. With `--check`
it writes nothing, and fails if the picture is not current.

A row and a column stand for each folder, and for each module directly in `xrdae`. They are in the
order of the contract "Layers of xrdae". A dot says that the row imports the column.
"""

from __future__ import annotations

import argparse
import ast
import sys
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "plugin/xrdae"
PICTURE = Path(__file__).with_name("layers.svg")

STEP, TEXT, TOP, SIDE = 22, 132, 118, 16  # sizes in pixels
PROSE = 400  # width of the column of descriptions, right of the triangle
INK, PALE, FOLDER = "#1f2933", "#d9dee5", "#1d5fa8"
BANDS = ("#f6f8fa", "#ffffff")
PURPOSE = {
    "__main__": "the command `xrdae`, and `python -m xrdae`",
    "testing": "Hypothesis strategies that draw datasets",
    "cli": "the commands, their options and what they print",
    "demo": "simulates alloys and runs every step once",
    "live": "encodes files as they arrive, and serves a page",
    "accessor": "`ds.xrdae`: one method for each step, through the hooks",
    "builtin": "the built-in implementation of every hook",
    "report": "the explorer, one HTML page",
    "doctor": "checks the installation",
    "region_table": "relevance of each region as a table",
    "plugins": "loads plugins, calls hooks, checks what they return",
    "attach_results": "adds a result to a dataset that may have earlier ones",
    "hookspecs": "the hooks and their arguments",
    "plot": "matplotlib pictures of results",
    "simulate": "patterns with a known truth",
    "reflections": "crystal structure to powder reflections",
    "model": "`Model`: fit, update, save and load",
    "quality": "how good a model is, in figures and words",
    "training": "patterns to a `Fitted`",
    "analysis": "a `Fitted` and patterns to results",
    "describe": "models and datasets in a few words",
    "provenance": "what a result was made of, and how",
    "fingerprint": "checksums of patterns and models",
    "autoencoder": "`Fitted`, what a fit leaves behind, and its file",
    "loading": "files to one Dataset",
    "readers": "one module for each family of file formats",
    "preprocessing": "patterns to model input",
    "storage": "bytes on disk: atomic writing, checksums, netCDF, Zarr",
    "convention": "what a dataset of patterns is: axes, units, names",
    "compute": "device, threads and lazy arrays",
    "config": "every setting and its default",
    "errors": "exceptions and warnings",
    "terminal": "text from files, safe to print",
}
STYLE = "font-family='DejaVu Sans, Helvetica, Arial, sans-serif' font-size='12'"


def read_layers() -> list[list[str]]:
    """Return the layers of the contract, highest first; each is a list of names."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    for contract in project["tool"]["importlinter"]["contracts"]:
        if contract["name"] == "Layers of xrdae":
            layers = [line.replace("|", ":").split(":") for line in contract["layers"]]
            return [[name.strip() for name in layer if exists(name.strip())] for layer in layers]
    raise SystemExit("pyproject.toml has no contract 'Layers of xrdae'")


def exists(name: str) -> bool:
    """Return whether the package has this module or folder."""
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def files_of(name: str) -> list[Path]:
    """Return the source files of a folder or module."""
    folder = PACKAGE / name
    return sorted(folder.rglob("*.py")) if folder.is_dir() else [PACKAGE / f"{name}.py"]


def describe(name: str) -> str:
    """Return what a folder or module is for."""
    if name not in PURPOSE:
        raise SystemExit(
            f"{name} has no purpose; add it to PURPOSE in docs/developers/draw_layers.py"
        )
    return PURPOSE[name]


def find_imports(tree: ast.AST, at_import: bool = True) -> Iterator[tuple[str, bool]]:
    """Yield each imported name of the package, and whether importing the file imports it."""
    for node in ast.iter_child_nodes(tree):
        deferred = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "xrdae":
            names = [f"xrdae.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            names = []
        for name in names:
            if name.startswith("xrdae."):
                yield name.split(".")[1], at_import
        yield from find_imports(node, at_import and not deferred)


def read_imports(names: list[str]) -> dict[tuple[str, str], bool]:
    """Return the pairs (importer, imported), and whether one of them is at import."""
    pairs: dict[tuple[str, str], bool] = {}
    for name in names:
        for path in files_of(name):
            for imported, at_import in find_imports(ast.parse(path.read_text())):
                if imported in names and imported != name:
                    pairs[name, imported] = pairs.get((name, imported), False) or at_import
    return pairs


def text(x: float, y: float, words: str, more: str = "") -> str:
    """Return a line of text."""
    return f"<text x='{x:g}' y='{y:g}' {more}>{escape(words)}</text>"


def draw() -> str:
    """Return the picture as SVG."""
    layers = read_layers()
    names = [name for layer in layers for name in layer]
    pairs = read_imports(names)
    place = {name: i for i, name in enumerate(names)}
    left, n = SIDE + TEXT, len(names)
    prose = left + n * STEP + 24
    width, height = prose + PROSE + SIDE, TOP + n * STEP + 64

    def x(i: int) -> float:
        return left + (i + 0.5) * STEP

    def y(i: int) -> float:
        return TOP + (i + 0.5) * STEP

    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{width}' height='{height}' "
        f"viewBox='0 0 {width} {height}' {STYLE} fill='{INK}'>",
        f"<rect width='{width}' height='{height}' fill='white'/>",
    ]
    row = 0
    for i, layer in enumerate(layers):
        parts.append(
            f"<rect x='{SIDE - 8}' y='{TOP + row * STEP}' width='{width - 2 * SIDE + 16}' "
            f"height='{len(layer) * STEP}' fill='{BANDS[i % 2]}'/>"
        )
        row += len(layer)
    for name, i in place.items():
        is_folder = (PACKAGE / name).is_dir()
        bold = f"font-weight='bold' fill='{FOLDER}'" if is_folder else ""
        label = f"{name}/" if is_folder else name
        parts.append(text(left - 10, y(i) + 4, label, f"text-anchor='end' {bold}"))
        parts.append(text(prose, y(i) + 4, describe(name), "font-size='11'"))
        parts.append(
            f"<line x1='{left}' y1='{y(i):g}' x2='{x(n - 1):g}' y2='{y(i):g}' stroke='{PALE}'/>"
            f"<line x1='{x(i):g}' y1='{TOP}' x2='{x(i):g}' y2='{y(n - 1):g}' stroke='{PALE}'/>"
        )
        turn = f"transform='rotate(-60 {x(i) + 3:g} {TOP - 6})' {bold}"
        parts.append(text(x(i) + 3, TOP - 6, label, turn))
        parts.append(
            f"<rect x='{x(i) - 7:g}' y='{y(i) - 7:g}' width='14' height='14' rx='3' "
            f"fill='{FOLDER if is_folder else '#8d99a8'}'/>"
        )
    for (importer, imported), at_import in sorted(pairs.items()):
        fill = INK if at_import else "white"
        parts.append(
            f"<circle cx='{x(place[imported]):g}' cy='{y(place[importer]):g}' r='4.5' "
            f"fill='{fill}' stroke='{INK}' stroke-width='1.4'/>"
        )
    base = TOP + n * STEP + 26
    parts += [
        f"<circle cx='{left + 10}' cy='{base - 4}' r='4.5' fill='{INK}'/>",
        text(left + 22, base, "the row imports the column when it is imported itself"),
        f"<circle cx='{left + 10}' cy='{base + 18}' r='4.5' fill='white' stroke='{INK}' "
        "stroke-width='1.4'/>",
        text(left + 22, base + 22, "only inside a function, or only for types"),
        text(
            prose, base, "Imports go to the right and down: every dot lies right of the diagonal."
        ),
        text(prose, base + 22, "Bands are the layers of the contract in pyproject.toml."),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    """Write the picture, or check it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="fail if layers.svg is not current")
    check = parser.parse_args().check
    drawn = draw()
    if not check:
        PICTURE.write_text(drawn)
    elif not PICTURE.is_file() or PICTURE.read_text() != drawn:
        sys.exit("docs/developers/layers.svg is not current; run docs/developers/draw_layers.py")


if __name__ == "__main__":
    main()
