"use strict";
/* Vectors and small matrices, in place of numpy and scipy in alignment.py and synthesis_methods.py. */

const dot = (a, b) => { let s = 0; for (let i = 0; i < a.length; i++) s += a[i] * b[i]; return s; };
const mean = (a) => { let s = 0; for (const v of a) s += v; return s / a.length; };
const distance = (a, b) => Math.hypot(...a.map((v, i) => v - b[i]));
const clip = (v, low, high) => Math.min(Math.max(v, low), high);

function weightedSum(rows, weights) {
  const out = new Float64Array(rows[0].length);
  rows.forEach((row, k) => {
    const w = weights[k];
    if (w !== 0) for (let i = 0; i < out.length; i++) out[i] += w * row[i];
  });
  return out;
}

function counting(n) {
  const out = new Float64Array(n);
  for (let i = 0; i < n; i++) out[i] = i;
  return out;
}

/** The values at x of a line through (at[i], values[i]); at increases; constant outside. */
function interpolate(x, at, values) {
  const out = new Float64Array(x.length), last = at.length - 1;
  let k = 0;
  for (let i = 0; i < x.length; i++) {
    if (x[i] <= at[0]) { out[i] = values[0]; continue; }
    if (x[i] >= at[last]) { out[i] = values[last]; continue; }
    if (x[i] < at[k]) k = 0;
    while (at[k + 1] < x[i]) k++;
    const step = at[k + 1] - at[k];
    out[i] = step > 0 ? values[k] + (values[k + 1] - values[k]) * (x[i] - at[k]) / step : values[k + 1];
  }
  return out;
}

/** Gaussian filter, cut at four sigma; at the ends the row is mirrored or constant. */
function smooth(row, sigma, mirrored = true) {
  const radius = Math.floor(4 * sigma + 0.5), n = row.length, kernel = new Float64Array(2 * radius + 1);
  for (let k = 0; k < kernel.length; k++) kernel[k] = Math.exp(-0.5 * ((k - radius) / sigma) ** 2);
  const whole = kernel.reduce((a, b) => a + b), padded = new Float64Array(n + 2 * radius);
  padded.set(row, radius);
  for (let k = 1; k <= radius; k++) {
    const inside = mirrored ? (k - 1) % (2 * n) : 0, at = Math.min(inside, 2 * n - 1 - inside);
    padded[radius - k] = row[at];
    padded[radius + n - 1 + k] = row[n - 1 - at];
  }
  const out = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    const middle = i + radius;
    let s = kernel[radius] * padded[middle];
    for (let k = 1; k <= radius; k++) s += kernel[radius + k] * (padded[middle - k] + padded[middle + k]);
    out[i] = s / whole;
  }
  return out;
}

/** Like numpy.gradient with unit steps. */
function gradient(row) {
  const n = row.length, out = new Float64Array(n);
  for (let i = 1; i < n - 1; i++) out[i] = (row[i + 1] - row[i - 1]) / 2;
  out[0] = row[1] - row[0];
  out[n - 1] = row[n - 1] - row[n - 2];
  return out;
}

/** Eigenvalues and vectors of a small symmetric matrix, by Jacobi's rotations. */
function eigen(matrix) {
  const n = matrix.length, a = matrix.map((row) => Float64Array.from(row));
  const v = a.map((_, i) => Float64Array.from({ length: n }, (_, j) => +(i === j)));
  for (let sweep = 0; sweep < 30; sweep++) {
    let off = 0, on = 0;
    for (let i = 0; i < n; i++) {
      on += a[i][i] ** 2;
      for (let j = 0; j < i; j++) off += a[i][j] ** 2;
    }
    if (off <= 1e-16 * on) break;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(a[p][q]) < 1e-300) continue;
        const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const c = 1 / Math.hypot(t, 1), s = t * c;
        for (let k = 0; k < n; k++) {
          const x = a[k][p], y = a[k][q];
          a[k][p] = c * x - s * y;
          a[k][q] = s * x + c * y;
        }
        for (let k = 0; k < n; k++) {
          const x = a[p][k], y = a[q][k];
          a[p][k] = c * x - s * y;
          a[q][k] = s * x + c * y;
          const z = v[p][k], w = v[q][k];
          v[p][k] = c * z - s * w;
          v[q][k] = s * z + c * w;
        }
      }
    }
  }
  const order = a.map((_, i) => i).sort((i, j) => a[j][j] - a[i][i]);
  return { values: order.map((i) => a[i][i]), vectors: order.map((i) => v[i]) };
}

/** Weights, none negative, that minimize |A w - b|: Lawson and Hanson's active set. */
function nonNegative(A, b) {
  const n = A[0].length, columns = Array.from({ length: n }, (_, j) => A.map((row) => row[j]));
  const gram = columns.map((c) => columns.map((d) => dot(c, d)));
  const right = columns.map((c) => dot(c, b));
  const w = new Float64Array(n), free = new Set();
  for (let round = 0; round < 10 * n; round++) {
    const slope = right.map((r, j) => r - dot(gram[j], w));
    let enter = -1;
    for (let j = 0; j < n; j++) if (!free.has(j) && (enter < 0 || slope[j] > slope[enter])) enter = j;
    if (enter < 0 || slope[enter] <= 1e-13 * Math.max(...right.map(Math.abs))) break;
    free.add(enter);
    while (free.size) {
      const some = [...free], s = solve(some.map((i) => some.map((j) => gram[i][j])), some.map((i) => right[i]));
      if (s.every((v) => v > 0)) { w.fill(0); some.forEach((j, k) => { w[j] = s[k]; }); break; }
      let part = 1;
      some.forEach((j, k) => { if (s[k] <= 0) part = Math.min(part, w[j] / (w[j] - s[k])); });
      some.forEach((j, k) => {
        w[j] += part * (s[k] - w[j]);
        if (!(w[j] > 1e-14)) { w[j] = 0; free.delete(j); }
      });
    }
  }
  return w;
}

function solve(matrix, right) {  // Gauss, with pivots
  const n = right.length, a = matrix.map((row, i) => [...row, right[i]]);
  for (let i = 0; i < n; i++) {
    let p = i;
    for (let k = i + 1; k < n; k++) if (Math.abs(a[k][i]) > Math.abs(a[p][i])) p = k;
    [a[i], a[p]] = [a[p], a[i]];
    for (let k = i + 1; k < n; k++) {
      const factor = a[k][i] / a[i][i];
      for (let j = i; j <= n; j++) a[k][j] -= factor * a[i][j];
    }
  }
  const out = new Array(n);
  for (let i = n - 1; i >= 0; i--) {
    let s = a[i][n];
    for (let j = i + 1; j < n; j++) s -= a[i][j] * out[j];
    out[i] = s / a[i][i];
  }
  return out;
}

/** Positions of the smallest values, in order; equal values keep their order. */
function smallest(values, count) {
  return Array.from(values, (_, i) => i).sort((i, j) => values[i] - values[j] || i - j).slice(0, count);
}
