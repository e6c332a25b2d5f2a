"use strict";
/* Patterns between known ones, as in synthesis_methods.py and synthesis.py, one point at a time; the
 * method is described there, and the constants are theirs. tests/browser compare the two. */

const NEIGHBOURS = 48, COMPONENTS = 6, SURROUNDING = 4;

/** Projects a pattern on the first principal components of its neighbours. */
function denoise(pattern, neighbours) {
  const n = neighbours.length, centre = weightedSum(neighbours, neighbours.map(() => 1 / n));
  const rows = neighbours.map((row) => row.map((v, i) => v - centre[i]));
  const gram = rows.map(() => new Float64Array(n));
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) gram[i][j] = gram[j][i] = dot(rows[i], rows[j]);
  const { values, vectors } = eigen(gram);
  const away = pattern.map((v, i) => v - centre[i]), out = centre;
  for (let k = 0; k < Math.min(COMPONENTS, n); k++) {
    if (!(values[k] > 1e-12 * values[0])) break;
    const direction = weightedSum(rows, vectors[k]);
    const share = dot(direction, away) / values[k];
    for (let i = 0; i < out.length; i++) out[i] += share * direction[i];
  }
  return out;
}

/** Transformed intensities of scaled ones and back, as in transforms.py. */
const TRANSFORMS = {
  none: { apply: (v) => v, undo: (v) => v, undoStd: (v, std) => std },
  sqrt: {
    apply: (v) => Math.sqrt(Math.max(v, 0)),
    undo: (v) => Math.max(v, 0) ** 2,
    undoStd: (v, std) => 2 * Math.max(v, 0) * std + std * std,
  },
  log: {
    apply: (v, floor) => Math.log(Math.max(v, floor) / floor),
    undo: (v, floor) => floor * Math.exp(clip(v, 0, 80)),
    undoStd: (v, std, floor) => TRANSFORMS.log.undo(v, floor) * std,
  },
};

/** Patterns, measured and synthesized, from the content of the page (see content.py). */
class Synthesizer {
  constructor(header, data) {
    Object.assign(this, { header, data });
    const { gain, n_latent } = header, { shape } = data.components;
    this.nComponent = shape[0];
    this.nChannel = shape[1];
    this.factor = Math.max(1, Math.round(header.width / COARSE_WIDTH));
    this.signed = header.signed;
    this.transform = TRANSFORMS[header.transform.name];
    this.mean = data.mean.values;
    this.components = Array.from({ length: shape[0] }, (_, k) => data.components.row(k).map((v) => gain * v));
    this.layers = [];
    for (let i = 0; `decoder.${i}.weight` in data; i++) {
      this.layers.push({ weight: data[`decoder.${i}.weight`], bias: data[`decoder.${i}.bias`] });
    }
    this.members = this.layers[0].weight.shape[0];
    const { values } = data.reference, n = data.reference.shape[0];
    this.references = Array.from({ length: n }, (_, i) => values.subarray(i * n_latent, (i + 1) * n_latent));
    this.mixture = Array.from(data.mixture.values);
    this.remembered = new Map();
  }

  latent(pattern) {
    const n = this.header.n_latent;
    return Array.from(this.data.latent.values.subarray(pattern * n, (pattern + 1) * n));
  }

  /** Scaled intensity (channel) of scaled and transformed intensity. */
  undo(row) { return row.map((v) => this.transform.undo(v, this.header.transform.floor)); }

  /** Scaled and transformed intensity of a pattern that is `factor` times as strong. */
  rescaled(row, factor) {
    const { apply, undo } = this.transform, { name, floor } = this.header.transform;
    if (name === "none") return row.map((v) => v * factor);
    return row.map((v) => apply(undo(v, floor) * factor, floor));
  }

  /** Scaled and transformed intensity (channel) of coefficients. */
  expand(coefficients) {
    const out = Float64Array.from(this.mean);
    for (let k = 0; k < this.nComponent; k++) {
      const c = coefficients[k], row = this.components[k];
      for (let i = 0; i < out.length; i++) out[i] += c * row[i];
    }
    return out;
  }

  /** Coefficients (member)(component) of a latent point. */
  decode(latent) {
    return Array.from({ length: this.members }, (_, m) => {
      let x = latent;
      this.layers.forEach(({ weight, bias }, i) => {
        const [, nIn, nOut] = weight.shape, y = new Float64Array(nOut);
        y.set(bias.values.subarray(m * nOut, (m + 1) * nOut));
        for (let j = 0; j < nIn; j++) {
          const start = (m * nIn + j) * nOut;
          for (let k = 0; k < nOut; k++) y[k] += x[j] * weight.values[start + k];
        }
        x = i < this.layers.length - 1 ? y.map((v) => v / (1 + Math.exp(-v))) : y;
      });
      return x;
    });
  }

  /** Distance to the nearest training latent over its limit: above 1 there are no data. */
  novelty(latent) {
    let least = Infinity;
    for (const reference of this.references) {
      let s = 0;
      for (let i = 0; i < latent.length; i++) s += (reference[i] - latent[i]) ** 2;
      if (s < least) least = s;
    }
    return Math.sqrt(least) / this.header.novelty_limit;
  }

  /** Scaled and transformed intensity (channel) of a training pattern, and its profile for alignment. */
  reference(i) {
    let found = this.remembered.get(i);
    if (!found) {
      if (this.remembered.size > 200) this.remembered.clear();
      const pattern = this.expand(this.data.reference_coefficients.row(i));
      found = { pattern, profile: profileOf(pattern, this.factor, this.signed) };
      this.remembered.set(i, found);
    }
    return found;
  }

  /** Scaled and transformed intensity (channel) of a pattern of the dataset, gaps filled. */
  prepared(pattern) {
    const row = this.data.kept.values[pattern];
    if (row < 0) return this.expand(this.data.coefficients.row(pattern));
    if (this.data.prepared) return this.data.prepared.row(row);
    const scale = this.data.scale.values[pattern];
    return this.data.measured.row(row).map((v) => v / scale);
  }

  /** A pattern of the dataset on its axis, in its units: measured, or from the basis. */
  measured(pattern) {
    const row = this.data.kept.values[pattern];
    if (row >= 0) return this.data.measured.row(row);
    return this.onData(this.undo(this.prepared(pattern)), this.data.scale.values[pattern]);
  }

  /** Mean and standard deviation of patterns of the dataset, each where it was measured. */
  spreadOf(patterns) {
    const rows = this.data.kept.values, n = this.header.points;
    const linear = this.header.transform.name === "none";
    const parts = linear ? [
      this.spreadOfMeasured(patterns.filter((i) => rows[i] >= 0)),
      this.spreadOfProjected(patterns.filter((i) => rows[i] < 0)),
    ] : [this.spreadOfMeasured(patterns)];
    const intensity = new Float64Array(n), std = new Float64Array(n);
    for (let i = 0; i < n; i++) {
      const here = parts.filter(({ count, mean }) => count[i] > 0 && !Number.isNaN(mean[i]));
      const whole = here.reduce((sum, { count }) => sum + count[i], 0);
      intensity[i] = here.reduce((sum, { count, mean }) => sum + count[i] * mean[i], 0) / whole;
      const squares = here.map(({ count, mean, variance }) => count[i] * (variance[i] + (mean[i] - intensity[i]) ** 2));
      std[i] = Math.sqrt(squares.reduce((a, b) => a + b, 0) / whole);
    }
    return { intensity, std };
  }

  spreadOfMeasured(patterns) {
    const n = this.header.points, count = new Float64Array(n), mean = new Float64Array(n), variance = new Float64Array(n);
    for (const pattern of patterns) { // Welford's sums
      const row = this.measured(pattern);
      for (let i = 0; i < n; i++) {
        if (Number.isNaN(row[i])) continue;
        count[i] += 1;
        const off = row[i] - mean[i];
        mean[i] += off / count[i];
        variance[i] += off * (row[i] - mean[i]);
      }
    }
    return { count, mean, variance: variance.map((v, i) => v / count[i]) };
  }

  /** The same from the moments of the coefficients, equally fast for many patterns. */
  spreadOfProjected(patterns) {
    const size = this.nComponent + 1, middle = new Float64Array(size), n = this.header.points;
    const moments = Array.from({ length: size }, () => new Float64Array(size));
    patterns.forEach((pattern, k) => { // a pattern is its scale times (mean, components) . (1, coefficients)
      const scale = this.data.scale.values[pattern], c = this.data.coefficients.row(pattern), off = new Float64Array(size);
      for (let a = 0; a < size; a++) {
        const v = scale * (a ? c[a - 1] : 1);
        off[a] = v - middle[a];
        middle[a] += off[a] / (k + 1);
      }
      for (let a = 0; a < size; a++) for (let b = 0; b <= a; b++) moments[a][b] += off[a] * off[b] * k / (k + 1);
    });
    const columns = [this.mean, ...this.components].map((row) => this.onData(row, 1));
    const mean = weightedSum(columns, middle), variance = new Float64Array(n);
    for (let a = 0; a < size; a++) {
      for (let b = 0; b <= a; b++) {
        const weight = (a === b ? 1 : 2) * moments[a][b] / patterns.length;
        if (weight) for (let i = 0; i < n; i++) variance[i] += weight * columns[a][i] * columns[b][i];
      }
    }
    return { count: new Float64Array(n).fill(patterns.length), mean, variance: variance.map((v) => Math.max(v, 0)) };
  }

  /** From the model's axis to that of the data; NaN where the model's does not reach, or nothing was measured. */
  onData(whole, scale) {
    const start = this.data["back.start"]?.values, values = Float64Array.from(whole);
    for (const i of this.data.unknown.values) values[i] = NaN;
    if (!start) return values.map((v) => v * scale);
    const channel = this.data["back.channel"].values, weight = this.data["back.weight"].values;
    return Float64Array.from({ length: start.length - 1 }, (_, i) => {
      if (start[i] === start[i + 1]) return NaN;
      let s = 0;
      for (let k = start[i]; k < start[i + 1]; k++) s += weight[k] * values[channel[k]];
      return s * scale;
    });
  }

  /** Training patterns around a latent point, and weights that sum to one. */
  surrounding(latent) {
    const far = this.references.map((r) => distance(latent, r));
    const count = Math.min(SURROUNDING * latent.length, far.length);
    const which = smallest(far, count), unit = Math.max(far[which[count - 1]], 1e-12);
    const A = latent.map((_, l) => which.map((i) => this.references[i][l] / unit));
    A.push(which.map(() => 1e3));
    which.forEach((i, k) => A.push(which.map((_, j) => (j === k ? 0.05 * far[i] / unit : 0))));
    const w = nonNegative(A, [...latent.map((v) => v / unit), 1e3, ...which.map(() => 0)]);
    const whole = w.reduce((a, b) => a + b);
    return { which, weights: Array.from(w, (v) => v / whole) };
  }

  /** Synthesizes at a latent point, from the training patterns around; `scale` is that of the
   * result, else it is the mean of theirs. */
  at(latent, scale) {
    const { which, weights } = this.surrounding(latent);
    const ends = which.map((i) => ({
      pattern: this.reference(i).pattern,
      latent: Array.from(this.references[i]),
      scale: scale ?? this.data.reference_scale.values[i],
    }));
    return this.synthesized(latent, ends, weights, this.mixture);
  }

  /** Synthesizes between two patterns of the dataset, at a fraction of the way. */
  between(first, second, fraction) {
    if (first === second) throw new Error(`pattern ${first} is given twice`);
    const ends = [first, second].map((i) => ({
      pattern: this.prepared(i), latent: this.latent(i), scale: this.data.scale.values[i],
    }));
    const weights = [1 - fraction, fraction];
    const latent = ends[0].latent.map((v, l) => weights[0] * v + weights[1] * ends[1].latent[l]);
    const blend = this.onData(weightedSum(ends.map((e) => this.undo(e.pattern)), ends.map((e, k) => e.scale * weights[k])), 1);
    const near = distance(ends[0].latent, ends[1].latent) <= this.header.reach;
    const isEnd = fraction === 0 || fraction === 1;
    if (near || isEnd) return { ...this.synthesized(latent, ends, weights, this.mixture), blend };
    if (this.neighbours(first, second)) {  // a sudden change: a mixture of both
      return { ...this.synthesized(latent, ends, weights, [1, 0, 0, 0]), blend, sudden: true };
    }
    // The shape is that of nearby patterns; the scale is interpolated between the two ends.
    return { ...this.at(latent, dot(weights, ends.map((e) => e.scale))), blend };
  }

  /** Are two patterns next to one another in the dataset? */
  neighbours(first, second) {
    const { shape, steps } = this.header;
    let apart = 0;
    for (let d = shape.length - 1; d >= 0; d--) {
      apart += steps[d] * Math.abs((first % shape[d]) - (second % shape[d]));
      first = Math.floor(first / shape[d]);
      second = Math.floor(second / shape[d]);
    }
    return apart === 1;
  }

  synthesized(latent, ends, weights, mixture) {
    const used = weights.map((w, k) => (w > 0 ? k : -1)).filter((k) => k >= 0), [first] = ends;
    ends = used.map((k) => ends[k]);
    weights = used.map((k) => weights[k]);
    if (weights.some((w) => w === 1)) mixture = [1, 0, 0, 0];
    const scale = dot(weights, ends.map((e) => e.scale));
    const patterns = ends.map((e) => this.rescaled(e.pattern, e.scale / scale));
    const bounded = (row) => (this.signed ? row : row.map((v) => Math.max(v, 0)));
    const found = [bounded(weightedSum(patterns, weights))];
    let variance = null;
    if (mixture[1] > 0) {
      const here = this.decode(latent), there = ends.map((e) => this.decode(e.latent));
      const apart = here.map((c, m) => c.map((v, k) => v - dot(weights, there.map((t) => t[m][k]))));
      const middle = weightedSum(apart, apart.map(() => 1 / apart.length));
      const level = this.expand(middle);
      found[1] = bounded(weightedSum(patterns, weights).map((v, i) => v + level[i] - this.mean[i]));
      variance = new Float64Array(this.nChannel);
      for (const member of apart) {
        const row = this.expand(member);
        for (let i = 0; i < row.length; i++) variance[i] += (row[i] - level[i]) ** 2 / apart.length;
      }
    }
    if (mixture[2] > 0 || mixture[3] > 0) {
      const profiles = patterns.map((p) => profileOf(p, this.factor, this.signed));
      const relative = used[0] === 0 ? first.scale / scale : 1; // without weight: of any scale
      const reference = this.rescaled(first.pattern, relative);
      let aligned = alignedMean(patterns, profiles, weights, reference, this.factor, this.signed);
      aligned = alignedMean(patterns, profiles, weights, aligned, this.factor, this.signed);
      found[2] = bounded(aligned);
      if (mixture[3] > 0) found[3] = bounded(this.denoised(aligned, latent));
    }
    const n = this.nChannel, intensity = new Float64Array(n), std = new Float64Array(n);
    mixture.forEach((w, m) => { if (w > 0) for (let i = 0; i < n; i++) intensity[i] += w * found[m][i]; });
    const [byspread, bycount, constant] = this.data.mixture_error.values;
    for (let i = 0; i < n; i++) {
      let spread = variance ? mixture[1] ** 2 * variance[i] : 0;
      mixture.forEach((w, m) => { if (w > 0) spread += w * (found[m][i] - intensity[i]) ** 2; });
      std[i] = Math.sqrt(byspread * spread + bycount * Math.max(intensity[i], 0) + constant);
    }
    const { floor } = this.header.transform, { undoStd } = this.transform;
    return {
      latent, novelty: this.novelty(latent), scale, intensity: this.onData(this.undo(intensity), scale),
      std: this.onData(std.map((v, i) => undoStd(intensity[i], v, floor)), scale),
    };
  }

  denoised(aligned, latent) {
    const far = this.references.map((r) => distance(latent, r));
    const which = smallest(far, Math.min(NEIGHBOURS, far.length));
    const frame = profileOf(aligned, this.factor, this.signed);
    const near = which.map((i) => {
      const { pattern, profile } = this.reference(i);
      const moved = displacement(frame, profile, this.factor, this.nChannel);
      return resample(pattern, moved.map((u, x) => x + u));
    });
    return denoise(aligned, near);
  }
}

if (typeof document === "undefined") { // in a worker: `at` and `between`, one after the other
  let ready;
  const started = async ({ header, text }) => new Synthesizer(header, await unpack(header.arrays, text));
  onmessage = async ({ data: { start, method, args } }) => {
    if (start) ready = started(start);
    else {
      try {
        postMessage({ result: (await ready)[method](...args) });
      } catch (error) {
        postMessage({ error: String(error) });
      }
    }
  };
}
