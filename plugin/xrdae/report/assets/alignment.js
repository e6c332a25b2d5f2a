"use strict";
/* Alignment of patterns as in alignment.py, one pair at a time; the method and its sources are
 * described there, and the constants are its. */

const BAND = 15, COARSE_WIDTH = 5, STEP_PENALTY = 0.3, SMOOTHING = 8, STIFFNESS = 30, REFINEMENTS = 3;

/** Profile of a pattern for alignment: its root, coarse and smooth, and the slope of that. Where
 * negative intensities count (signed), roots keep their sign. */
function profileOf(pattern, factor, signed) {
  const rootOf = signed ? (v) => Math.sign(v) * Math.sqrt(Math.abs(v)) : (v) => Math.sqrt(Math.max(v, 0));
  const root = Float64Array.from(pattern, rootOf);
  const n = root.length, coarse = new Float64Array(Math.ceil(n / factor));
  for (let i = 0; i < coarse.length; i++) {
    let s = 0;
    for (let k = 0; k < factor; k++) s += root[Math.min(i * factor + k, n - 1)];
    coarse[i] = s / factor;
  }
  const fine = smooth(root, factor);
  return { coarse: smooth(coarse, 1), fine, slope: gradient(fine) };
}

/** Displacement of least cost between coarse patterns, by dynamic time warping in a band. */
function warp(a, b) {
  const n = a.length, shifts = 2 * BAND + 1, m = mean(a);
  const penalty = STEP_PENALTY * mean(a.map((v) => (v - m) ** 2));
  const padded = new Float64Array(n + 2 * BAND);
  for (let i = 0; i < padded.length; i++) padded[i] = b[clip(i - BAND, 0, n - 1)];
  const cameFrom = new Int8Array(n * shifts);
  // The cost outside the band is never the least.
  let cost = new Float64Array(shifts + 2).fill(Infinity), best = cost.slice();
  for (let s = 0; s < shifts; s++) cost[s + 1] = (a[0] - padded[s]) ** 2;
  for (let x = 1; x < n; x++) {
    for (let s = 0; s < shifts; s++) {
      let least = cost[s + 1], move = 0;
      if (cost[s] + penalty < least) { least = cost[s] + penalty; move = -1; }
      if (cost[s + 2] + penalty < least) { least = cost[s + 2] + penalty; move = 1; }
      cameFrom[x * shifts + s] = move;
      const off = a[x] - padded[x + s];
      best[s + 1] = least + off * off;
    }
    [cost, best] = [best, cost];
  }
  let at = 0;
  for (let s = 1; s < shifts; s++) if (cost[s + 1] < cost[at + 1]) at = s;
  const path = new Float64Array(n);
  for (let x = n - 1; x >= 0; x--) {
    path[x] = at - BAND;
    at += cameFrom[x * shifts + at];
  }
  return path;
}

/** Refines the displacement so that b(x + u) is closer to a(x), with a smoothness term. */
function refine(found, a, b) {
  const n = found.length, stiff = STIFFNESS * mean(b.slope.map((v) => v * v));
  const diagonal = new Float64Array(n), right = new Float64Array(n);
  for (let round = 0; round < REFINEMENTS; round++) {
    for (let i = 0; i < n; i++) {
      const position = clip(i + found[i], 0, n - 1.001), low = Math.floor(position);
      const part = position - low;
      const read = b.fine[low] * (1 - part) + b.fine[low + 1] * part;
      const slope = (b.slope[low] * (1 - part) + b.slope[low + 1] * part + a.slope[i]) / 2;
      const ties = i === 0 || i === n - 1 ? 1 : 2;
      let bend = ties * found[i];
      if (i > 0) bend -= found[i - 1];
      if (i < n - 1) bend -= found[i + 1];
      diagonal[i] = slope * slope + stiff * ties + 1e-12 + 1e-9 * stiff;
      right[i] = slope * (a.fine[i] - read) - stiff * bend;
    }
    for (let i = 1; i < n; i++) {  // Thomas' algorithm; -stiff beside the diagonal
      const factor = -stiff / diagonal[i - 1];
      diagonal[i] += factor * stiff;
      right[i] -= factor * right[i - 1];
    }
    right[n - 1] /= diagonal[n - 1];
    for (let i = n - 2; i >= 0; i--) right[i] = (right[i] + stiff * right[i + 1]) / diagonal[i];
    for (let i = 0; i < n; i++) found[i] += clip(right[i], -3, 3);
  }
  return found;
}

/** Displacement u [channels]: pattern(x + u) is like reference(x). */
function displacement(reference, pattern, factor, n) {
  const coarse = smooth(warp(reference.coarse, pattern.coarse), SMOOTHING, false);
  const centres = coarse.map((_, i) => (i + 0.5) * factor - 0.5);
  const here = counting(n);
  const found = interpolate(here, centres, coarse).map((v) => factor * v);
  return refine(found, reference, pattern);
}

/** Interpolates a pattern at positions [channels] by a cubic spline. */
function resample(pattern, positions) {
  const pad = 12, n = pattern.length, m = n + 2 * pad, pole = Math.sqrt(3) - 2;
  const c = new Float64Array(m), out = new Float64Array(positions.length);
  for (let i = 0; i < m; i++) c[i] = 6 * pattern[clip(i - pad, 0, n - 1)];
  let first = 0;
  for (let k = 0, power = 1; k < Math.min(m, 30); k++, power *= pole) first += power * c[k];
  c[0] = first;
  for (let i = 1; i < m; i++) c[i] += pole * c[i - 1];
  c[m - 1] = pole / (pole * pole - 1) * (c[m - 1] + pole * c[m - 2]);
  for (let i = m - 2; i >= 0; i--) c[i] = pole * (c[i + 1] - c[i]);
  for (let i = 0; i < out.length; i++) {
    const x = clip(positions[i], 0, n - 1) + pad, low = Math.floor(x), t = x - low, u = 1 - t;
    out[i] = (c[low - 1] * u * u * u + c[low] * (3 * t * t * t - 6 * t * t + 4)
      + c[low + 1] * (3 * u * u * u - 6 * u * u + 4) + c[low + 2] * t * t * t) / 6;
  }
  return out;
}

/** The mean of patterns in position as well as in intensity. */
function alignedMean(patterns, profiles, weights, reference, factor, signed) {
  const n = reference.length, frame = profileOf(reference, factor, signed);
  const moved = profiles.map((p) => displacement(frame, p, factor, n));
  const here = counting(n);
  let highest = -Infinity;
  const there = weightedSum(moved, weights).map((u, i) => (highest = Math.max(highest, i + u)));
  const positions = interpolate(here, there, here);
  const read = patterns.map((pattern, k) => {
    const u = interpolate(positions, here, moved[k]);
    return resample(pattern, positions.map((x, i) => x + u[i]));
  });
  return weightedSum(read, weights);
}
