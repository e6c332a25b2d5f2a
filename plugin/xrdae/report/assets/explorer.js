"use strict";
/* What the page shows: it fills the sources of the Bokeh figures (figures.py) from the arrays that
 * it was given (content.py). Numbers come from synthesis.js. Words from data files reach the page
 * as text only, never as HTML. */

class Explorer {
  constructor(models, header, data, text) {
    Object.assign(this, { models, header, data });
    this.synthesizer = new Synthesizer(header, data);
    this.engine = new Engine(this.synthesizer, header, text);
    this.axis = data.axis.values;
    this.count = data.latent.shape[0];
    this.nRegion = data.region_start.shape[0];
    this.plane = [0, Math.min(1, header.n_latent - 1)]; // latent axes shown: across and up
    this.view = { masked: null, group: [], color: 0, fraction: 0.5, others: "nearest" };
    this.usable = [];
    for (let i = 0; i < this.count; i++) if (this.synthesizer.latent(i).every(Number.isFinite)) this.usable.push(i);
    this.view.probe = this.middle();
    this.view.from = this.usable[0];
    this.view.to = this.usable.at(-1);
  }

  start() {
    if (innerWidth < 600) this.shortenLabels();
    this.controls = new Controls(this);
    this.setColor(0);
    this.resetView();
    this.pin(this.usable[0]);
    this.moveProbe(this.view.probe);
    this.drawPath();
  }

  /** Returns the axis titles of narrow figures: name and units. */
  shortenLabels() {
    for (const name of ["pattern", "path", "positions", "relevance"]) {
      this.models[name].below[0].axis_label.text = withUnits(this.header.axis_name, this.header.axis_units);
    }
  }

  source(name) { return this.models[`${name}_source`]; }
  set(name, columns) { this.source(name).data = columns; }

  // Places in the latent plane

  x(latent) { return latent[this.plane[0]]; }
  y(latent) { return this.header.n_latent > 1 ? latent[this.plane[1]] : 0; }

  /** Returns the latent point at a place in the plane. Latents that are not shown are those of the
   * pattern that is nearest in the plane, or stay those of the probe (`view.others`). */
  latentAt(x, y) {
    const follows = this.header.n_latent > 2 && this.view.others === "nearest";
    const latent = follows ? this.synthesizer.latent(this.nearestInPlane(x, y)) : [...this.view.probe];
    latent[this.plane[0]] = x;
    if (this.header.n_latent > 1) latent[this.plane[1]] = y;
    return latent;
  }

  /** Returns the latent point of the pattern nearest to the mean of all. */
  middle() {
    const all = this.usable.map((i) => this.synthesizer.latent(i));
    const mean = all[0].map((_, l) => all.reduce((sum, z) => sum + z[l], 0) / all.length);
    const far = all.map((z) => z.reduce((sum, v, l) => sum + (v - mean[l]) ** 2, 0));
    return all[far.indexOf(far.reduce((a, b) => Math.min(a, b)))];
  }

  /** Returns the usable pattern that is nearest to a latent point. */
  nearestTo(latent) {
    const far = this.usable.map((i) => distance(this.synthesizer.latent(i), latent));
    return this.usable[far.indexOf(far.reduce((a, b) => Math.min(a, b)))];
  }

  /** Returns the usable pattern that is nearest to a place, by the two latents shown. */
  nearestInPlane(x, y) {
    const { x: xs, y: ys } = this.source("points").data;
    let best = -1, least = Infinity;
    for (const i of this.usable) {
      const far = (xs[i] - x) ** 2 + (ys[i] - y) ** 2;
      if (far < least) { least = far; best = i; }
    }
    return best;
  }

  /** The usable pattern nearest to a place, distances in units of the view. */
  nearest(x, y) {
    const { x_range: across, y_range: up } = this.models.plane;
    const width = across.end - across.start, height = up.end - up.start;
    const { x: xs, y: ys } = this.source("points").data;
    let best = -1, least = Infinity;
    for (const i of this.usable) {
      const far = ((xs[i] - x) / width) ** 2 + ((ys[i] - y) / height) ** 2;
      if (far < least) { least = far; best = i; }
    }
    return { pattern: best, far: Math.sqrt(least) };
  }

  drawPoints() {
    const x = new Float64Array(this.count), y = new Float64Array(this.count);
    for (let i = 0; i < this.count; i++) {
      const z = this.synthesizer.latent(i);
      x[i] = this.x(z);
      y[i] = this.y(z);
    }
    const color = Float64Array.from(this.labelAt(this.view.color).values);
    this.set("points", { x, y, color });
  }

  resetView() {
    const ranges = [this.models.plane.x_range, this.models.plane.y_range];
    ["x", "y"].forEach((name, k) => {
      const values = this.usable.map((i) => this[name](this.synthesizer.latent(i)));
      const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
      const margin = 0.12 * (high - low) || 1;
      ranges[k].setv({ start: low - margin, end: high + margin });
    });
    this.shade();
  }

  /** Greys where the novelty of a latent point is above 1. */
  shade() {
    const { x_range: across, y_range: up } = this.models.plane, [image] = this.source("shade").data.image;
    const [x, y, dw, dh] = [across.start, up.start, across.end - across.start, up.end - up.start];
    const [rows, columns] = image.shape;
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < columns; j++) {
        const latent = this.latentAt(x + (j + 0.5) / columns * dw, y + (i + 0.5) / rows * dh);
        image[i * columns + j] = this.synthesizer.novelty(latent) > 1 ? 1 : NaN;
      }
    }
    this.set("shade", { image: [image], x: [x], y: [y], dw: [dw], dh: [dh] });
  }

  /** Returns what gives the colour: a label, or a latent axis behind the last label. */
  labelAt(index) {
    const { labels, n_latent } = this.header, axis = index - labels.length;
    if (axis < 0) return { ...labels[index], values: this.data[`label.${index}`].values };
    const name = `latent axis ${axis}`, latent = this.data.latent.values;
    const values = Float64Array.from({ length: this.count }, (_, i) => latent[i * n_latent + axis]);
    return { name, title: name, kind: "number", units: "", values };
  }

  setColor(index) {
    const label = this.labelAt(index), { values } = label, { mapper, bar, plane, viridis, categories } = this.models;
    this.view.color = index;
    window.onTick = (value) => inColourBar(label, value);
    let low = Infinity, high = -Infinity;
    for (const v of values) if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); }
    if (label.kind === "text") {
      const n = label.categories.length, known = n <= categories.length;
      const palette = label.categories.map((_, i) => (known ? categories[i] : viridis[Math.round(255 * i / (n - 1))]));
      mapper.setv({ palette, low: -0.5, high: n - 0.5 });
    } else {
      mapper.setv({ palette: viridis, low: low < high ? low : low - 0.5, high: low < high ? high : high + 0.5 });
    }
    bar.title = plain(clipped(label.title, 45));
    // The texts of the bar have other widths than numbers.
    if (label.kind !== "number" || "ready" in document.body.dataset) Bokeh.index.get_by_id(plane.id).invalidate_layout();
    this.drawPoints();
  }

  // Patterns

  pin(pattern) {
    const wrong = this.whyNot(pattern);
    if (wrong) { byId("pinned-text").textContent = wrong; return; }
    this.view.pinned = pattern;
    byId("pinned").value = pattern;
    const z = this.synthesizer.latent(pattern), y = this.synthesizer.measured(pattern);
    this.set("pinned", { x: [this.x(z)], y: [this.y(z)] });
    this.set("measured", { x: this.axis, y });
    const kept = this.data.kept.values[pattern] >= 0;
    byId("pinned-text").textContent = `${this.place(pattern)}, ${kept ? "as measured" : "as the basis holds it"}`;
    const list = byId("pinned-labels");
    list.replaceChildren();
    this.labelsOf(pattern).forEach(([name, value]) => {
      const row = make("div", undefined, list);
      make("dt", name, row);
      make("dd", value, row);
    });
    this.drawRelevance(y);
  }

  /** Returns why a number is not that of a pattern; empty if it is one. */
  whyNot(pattern) {
    if (!Number.isInteger(pattern) || pattern < 0 || pattern >= this.count) {
      return `Give the number of a pattern, 0 to ${this.count - 1}.`;
    }
    return this.synthesizer.latent(pattern).every(Number.isFinite) ? "" : `Pattern ${pattern} has no usable intensity.`;
  }

  /** Returns the positions of a pattern in the dataset. */
  place(pattern) {
    const { dims, shape, steps } = this.header, words = [];
    for (let d = dims.length - 1; d >= 0; d--) {
      words.unshift(`${dims[d]} ${(pattern % shape[d]) * steps[d]}`);
      pattern = Math.floor(pattern / shape[d]);
    }
    return words.join(", ");
  }

  labelsOf(pattern) {
    return this.header.labels.map(({ name, kind, units, categories }, k) => {
      const value = this.data[`label.${k}`].values[pattern];
      if (!Number.isFinite(value)) return [name, "none"];
      if (kind === "text") return [name, categories[value]];
      return [name, kind === "time" ? asTime(value) : short(value) + units];
    });
  }

  async moveProbe(latent) {
    this.view.probe = latent;
    const novelty = this.synthesizer.novelty(latent), novel = novelty > 1;
    this.set("probe", { x: [this.x(latent)], y: [this.y(latent)], color: [novel ? "#d55e00" : "#0b5fa5"] });
    const text = byId("probe-text");
    text.classList.toggle("warn", novel);
    text.textContent = `Probe at (${latent.map((v) => v.toFixed(3)).join(", ")}): novelty ${novelty.toFixed(2)}`
      + (novel ? ", no data near: do not trust this pattern" : "");
    const found = await this.engine.ask("probe", "at", latent);
    this.view.found = found;
    this.set("synthesized", band(this.axis, found, this.header.signed));
  }

  setGroup(patterns) {
    this.view.group = patterns;
    const text = byId("group-text");
    if (!patterns.length) {
      this.set("group", { x: [], y: [], low: [], high: [] });
      text.textContent = "";
      return;
    }
    this.view.groupPattern = this.synthesizer.spreadOf(patterns);
    this.set("group", band(this.axis, this.view.groupPattern, this.header.signed));
    text.textContent = `Group of ${patterns.length} pattern${patterns.length > 1 ? "s" : ""}; ${this.inWords(patterns, this.view.color)}`;
  }

  /** Summarizes a label of patterns: mean and spread, the commonest texts, or first and last time. */
  inWords(patterns, index) {
    const { name, kind, units, categories, values: all } = this.labelAt(index);
    const values = patterns.map((i) => all[i]).filter(Number.isFinite);
    if (!values.length) return `${name}: none`;
    if (kind === "text") {
      const counts = new Map();
      for (const v of values) counts.set(v, (counts.get(v) ?? 0) + 1);
      const most = [...counts].sort((a, b) => b[1] - a[1]).slice(0, 3);
      return `${name}: ${most.map(([v, n]) => `${categories[v]} (${n})`).join(", ")}`;
    }
    if (kind === "time") {
      const ends = [Math.min, Math.max].map((pick) => values.reduce((a, b) => pick(a, b)));
      return `${name}: ${ends.map(asTime).join(" to ")}`;
    }
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    const spread = Math.sqrt(values.reduce((s, v) => s + (v - mean) ** 2, 0) / values.length);
    return `${name}: mean ${short(mean)}, spread ${short(spread)}${units}`;
  }

  // Relevance

  shift(pattern, region) {
    const n = this.header.n_latent, row = this.data.latent_shift.row(pattern);
    return Array.from(row.subarray(region * n, (region + 1) * n));
  }

  /** Returns name, values and caption of the results of all regions. Masks of older models have no verdicts. */
  regionResults() {
    const { verdicts } = this.header, relevance = ["relevance", this.view.relevance, "relevance"];
    if (!verdicts.length) return [relevance];
    const numbers = [["region_change", "change"], ["region_std", "std"], ["relevance_excess", "excess"]];
    return [relevance, ["relevance_verdict", verdicts, "verdict"], ...numbers.map(([name, word]) => [name, this.data[name].values, word])];
  }

  describeRegion(region) {
    return this.regionResults().map(([, values, word]) => `${word} ${asText(values[region])}`);
  }

  drawRelevance(y) {
    const left = this.data.region_start.values, right = this.data.region_stop.values;
    const relevance = this.view.relevance = Array.from(this.data.relevance.row(this.view.pinned));
    const most = Math.max(...relevance.filter(Number.isFinite), 1e-12);
    let low = Infinity, high = -Infinity;
    for (const v of y) if (Number.isFinite(v)) { low = Math.min(low, v); high = Math.max(high, v); }
    this.models.shift.high = most;
    this.set("regions", {
      left: Array.from(left), right: Array.from(right), relevance,
      bottom: relevance.map(() => Math.min(low, 0)), top: relevance.map(() => high),
      alpha: relevance.map((v) => 0.25 + 0.6 * v / most),
      words: relevance.map((_, r) => this.describeRegion(r).join("\n")),
    });
    this.set("pattern_again", { x: this.axis, y });
    const box = byId("peaks"), table = make("table"), head = make("tr", undefined, table);
    const columns = this.regionResults(), captions = [withUnits("peak", this.header.axis_units), ...columns.map(([, , word]) => word)];
    for (const word of captions) make("th", word, head).scope = "col";
    this.buttons = [];
    for (const r of relevance.map((_, r) => r).sort((a, b) => relevance[b] - relevance[a])) {
      const row = make("tr", undefined, table), cell = make("td", undefined, row), middle = (left[r] + right[r]) / 2;
      const button = make("button", short(middle), cell);
      if (this.header.notes[r]) make("span", ` ${this.header.notes[r]}`, cell);
      row.addEventListener("click", () => this.mask(this.view.masked === r ? null : r));
      button.title = `replace this peak: ${this.describeRegion(r).join(", ")}`;
      this.buttons[r] = button;
      for (const [, values] of columns) make("td", asText(values[r]), row);
    }
    box.replaceChildren(table);
    this.mask(this.view.masked);
  }

  /** Replaces a region of the pinned pattern, or none (null), and shows the shift of its point. */
  mask(region) {
    this.view.masked = region;
    this.buttons.forEach((button, r) => button.setAttribute("aria-pressed", String(r === region)));
    const text = byId("mask-text");
    if (region === null) {
      this.set("masked", { x: [], y: [] });
      this.set("mask", { x: [], y: [] });
      text.textContent = "No peak is replaced.";
      return;
    }
    const { pinned, relevance } = this.view, z = this.synthesizer.latent(pinned), shift = this.shift(pinned, region);
    const moved = z.map((v, l) => v + shift[l]);
    this.set("masked", { x: [this.x(z), this.x(moved)], y: [this.y(z), this.y(moved)] });
    const start = this.data.region_start.values[region], stop = this.data.region_stop.values[region];
    const inside = [], y = this.synthesizer.measured(pinned);
    for (let i = 0; i < this.axis.length; i++) {
      if (this.axis[i] >= start && this.axis[i] <= stop && Number.isFinite(y[i])) inside.push(i);
    }
    const ends = inside.length ? [inside[0], inside.at(-1)] : [];
    this.set("mask", { x: ends.map((i) => this.axis[i]), y: ends.map(() => Math.min(...ends.map((i) => y[i]))) });
    const bounds = [start, stop], units = this.header.axis_units && ` ${this.header.axis_units}`;
    if (this.header.descending) bounds.reverse();
    text.textContent = `Replaced ${bounds.map((v) => short(v)).join(" to ")}${units}: the point moves by `
      + `${short(relevance[region], 3)} on average; the mean of its places is (${moved.map((v) => v.toFixed(3)).join(", ")}).`;
  }

  // The path between two patterns

  /** Sets one end of the path, or both: { from, to }. */
  setEnds(ends) {
    const { from, to } = { ...this.view, ...ends };
    const same = from === to ? `Give two different patterns; pattern ${from} is the other end.` : "";
    const wrong = Object.values(ends).map((pattern) => this.whyNot(pattern)).find(Boolean) ?? same;
    byId("path-wrong").textContent = wrong;
    if (wrong) return;
    Object.assign(this.view, { from, to });
    this.drawPath();
  }

  drawPath() {
    const { from, to } = this.view;
    byId("from").value = from;
    byId("to").value = to;
    const where = (i) => (this.header.dims.length > 1 || this.header.steps[0] > 1 ? `(${this.place(i)})` : "");
    byId("from-text").textContent = where(from);
    byId("to-text").textContent = where(to);
    this.set("from", { x: this.axis, y: this.synthesizer.measured(from) });
    this.set("to", { x: this.axis, y: this.synthesizer.measured(to) });
    this.drawRoute();
    byId("fraction").disabled = from === to;
    if (from === to) { // of all patterns only one has usable intensity
      byId("path-wrong").textContent = "There is only one pattern: a path needs two.";
      return;
    }
    this.walk(this.view.fraction);
    this.trackPeaks();
  }

  drawRoute() {
    const ends = [this.view.from, this.view.to].map((i) => this.synthesizer.latent(i));
    this.set("route", { x: ends.map((z) => this.x(z)), y: ends.map((z) => this.y(z)) });
  }

  drawPlace(latent) { this.set("here", { x: [this.x(latent)], y: [this.y(latent)] }); }

  async walk(fraction) {
    this.view.fraction = fraction;
    byId("fraction").value = fraction;
    byId("fraction-text").textContent = fraction.toFixed(2);
    this.set("fraction", { x: [this.axis[0], this.axis.at(-1)], y: [fraction, fraction] });
    const { from, to } = this.view, found = await this.engine.ask("walk", "between", from, to, fraction);
    this.view.between = { ...found, from, to, fraction };
    this.drawPlace(found.latent);
    this.set("between", band(this.axis, found, this.header.signed));
    this.set("blend", { x: this.axis, y: found.blend });
    const varying = this.header.labels.slice(0, -2).map(({ name, kind, units }, k) => { // the last two are results
      const [a, b] = [from, to].map((i) => this.data[`label.${k}`].values[i]);
      const varies = kind === "number" && Math.abs(a - b) > 0 && !this.header.dims.includes(name);
      return varies ? `${name} ${short(a + fraction * (b - a))}${units}` : "";
    }).filter(Boolean);
    const words = varying.length > 4 ? [...varying.slice(0, 4), "..."] : varying;
    const text = byId("path-text"), novel = found.novelty > 1;
    text.classList.toggle("warn", novel);
    text.textContent = [...words, `novelty ${found.novelty.toFixed(2)}`].join(", ")
      + (novel ? ", no data near: do not trust this pattern" : "")
      + (found.sudden ? "; a sudden change between neighbours: blended" : "");
  }

  /** Finds the peaks at 21 places along the path. */
  async trackPeaks() {
    const turn = (this.turn = (this.turn ?? 0) + 1), x = [], y = [], steps = 20, { from, to } = this.view;
    this.set("peaks", { x, y });
    for (let k = 0; k <= steps; k++) {
      const { intensity } = await this.engine.ask("track", "between", from, to, k / steps);
      if (turn !== this.turn) return;
      for (const position of findPeaks(this.axis, this.header.signed ? fromMedian(intensity) : intensity)) { x.push(position); y.push(k / steps); }
    }
    this.set("peaks", { x, y });
  }

  redraw() {
    const { plane } = this.models;
    plane.below[0].axis_label.text = `latent axis ${this.plane[0]}`;
    plane.left[0].axis_label.text = `latent axis ${this.plane[1]}`;
    this.drawPoints();
    this.resetView();
    this.pin(this.view.pinned);
    this.moveProbe(this.view.probe);
    this.drawRoute();
    if (this.view.between) this.drawPlace(this.view.between.latent);
  }
}

/** Content of the page, unpacked while the figures are made. */
const carried = (async () => {
  const header = JSON.parse(byId("header").textContent), box = byId("arrays"), text = box.textContent;
  box.remove();
  return [header, await unpack(header.arrays, text), text];
})();

async function startExplorer(models) {
  window.explorer = new Explorer(models, ...(await carried));
  explorer.start();
  document.body.dataset.ready = Math.round(performance.now()); // milliseconds since it was opened
}
