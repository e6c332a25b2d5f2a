"use strict";
/* Controls by mouse, touch and keys. */

class Controls {
  constructor(explorer) {
    this.explorer = explorer;
    this.fill();
    this.askForGroup();
    this.listen();
    if (matchMedia("(pointer: coarse)").matches) { // a finger that moves over a figure scrolls the page
      for (const tool of explorer.models.zooms) tool.active = false;
    }
  }

  fill() {
    const { explorer } = this;
    const options = (id, names) => names.forEach(([value, name]) => { make("option", name, byId(id)).value = value; });
    const labels = explorer.header.labels.map((label, k) => [k, label.name, label]);
    options("color", labels);
    options("group-label", labels);
    for (const id of ["pinned", "from", "to"]) byId(id).max = explorer.count - 1;
    if (explorer.header.n_latent > 2) {
      byId("axes").hidden = false;
      const axes = Array.from({ length: explorer.header.n_latent }, (_, l) => [l, `latent axis ${l}`]);
      options("color", axes.map(([l, name]) => [labels.length + l, name]));
      options("axis-x", axes);
      options("axis-y", axes);
      byId("axis-y").value = 1;
    }
  }

  listen() {
    const { explorer } = this;
    const on = (id, event, act) => byId(id).addEventListener(event, act);
    const number = (id) => byId(id).valueAsNumber;
    on("color", "change", (e) => {
      explorer.setColor(Number(e.target.value));
      explorer.setGroup(explorer.view.group);
    });
    on("reset-view", "click", () => explorer.resetView());
    on("pinned", "input", () => explorer.pin(number("pinned")));
    on("pinned", "change", () => { byId("pinned").value = explorer.view.pinned; });
    for (const end of ["from", "to"]) {
      on(end, "input", () => explorer.setEnds({ [end]: number(end) }));
      on(end, "change", () => { byId(end).value = explorer.view[end]; });
    }
    on("from-pinned", "click", () => explorer.setEnds({ from: explorer.view.pinned }));
    on("to-pinned", "click", () => explorer.setEnds({ to: explorer.view.pinned }));
    on("fraction", "input", () => explorer.walk(number("fraction")));
    on("group-label", "change", () => this.askForGroup());
    on("group-set", "click", () => this.selectByLabel());
    const { selected } = explorer.source("points");
    on("group-clear", "click", () => { selected.indices = []; });
    selected.change.connect(() => explorer.setGroup([...selected.indices]));
    document.querySelectorAll("input[name=mode]").forEach((input) => input.addEventListener("change", () => this.setMode(input.value)));
    ["axis-x", "axis-y"].forEach((id, k) => on(id, "change", (e) => {
      const before = explorer.plane[k];
      explorer.plane[k] = Number(e.target.value);
      if (explorer.plane[0] === explorer.plane[1]) explorer.plane[1 - k] = before;
      ["axis-x", "axis-y"].forEach((name, l) => { byId(name).value = explorer.plane[l]; });
      explorer.redraw();
    }));
    on("others", "change", (e) => {
      const { probe } = explorer.view;
      explorer.view.others = e.target.value;
      explorer.moveProbe(explorer.latentAt(explorer.x(probe), explorer.y(probe)));
      explorer.shade();
    });
    document.querySelectorAll(".downloads").forEach((box) => box.addEventListener("click", (e) => {
      const { kind } = e.target.dataset;
      if (kind === "csv") save(new Blob([csvOf(explorer, box.dataset.panel)], { type: "text/csv" }), `${box.dataset.panel}.csv`);
      if (kind === "png") savePicture(explorer, box.dataset.panel);
    }));
    on("plane-keys", "keydown", (e) => this.onKey(e));
    on("plane-keys", "pointerleave", () => { byId("hover").hidden = true; });
    const { x_range: across, y_range: up } = explorer.models.plane;
    for (const range of [across, up]) range.change.connect(() => this.shadeSoon());
    window.onHover = (data) => this.hover(data);
    window.onPlane = (event) => this.onPlane(event);
    window.onRelevance = (event) => {
      const { region_start: start, region_stop: stop } = explorer.data;
      const region = start.values.findIndex((low, r) => event.x >= low && event.x <= stop.values[r]);
      explorer.mask(region < 0 || region === explorer.view.masked ? null : region);
    };
  }

  shadeSoon() {
    clearTimeout(this.shading);
    this.shading = setTimeout(() => this.explorer.shade(), 150);
  }

  setMode(mode) {
    const { explorer } = this;
    const { lasso, pan, wheel } = explorer.models;
    lasso.active = mode === "lasso";
    pan.active = wheel.active = mode === "pan";
    explorer.view.mode = mode;
  }

  onPlane(event) {
    const { explorer } = this;
    const probing = (explorer.view.mode ?? "probe") === "probe";
    if (event.event_name.endsWith("tap")) { // of two quick ones the second is a "doubletap"
      const { pattern, far } = explorer.nearest(event.x, event.y);
      if (far > 0.03) { if (probing) explorer.moveProbe(explorer.latentAt(event.x, event.y)); return; }
      if (event.modifiers?.shift) {
        explorer.setEnds({ from: explorer.view.pinned, to: pattern });
        return;
      }
      explorer.pin(pattern);
      if (explorer.header.n_latent > 2) { // the plane is that through the pattern
        explorer.moveProbe(explorer.synthesizer.latent(pattern));
        explorer.shade();
      }
    } else if (probing && event.event_name !== "panend") { // the last move has said where
      explorer.moveProbe(explorer.latentAt(event.x, event.y));
    }
  }

  onKey(event) {
    const { explorer } = this;
    const { x_range: across, y_range: up } = explorer.models.plane, size = event.shiftKey ? 0.002 : 0.02;
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    const key = event.key.toLowerCase();
    if (event.ctrlKey || event.metaKey || event.altKey) return; // the browser's
    if (move) {
      const { probe } = explorer.view;
      explorer.moveProbe(explorer.latentAt(
        explorer.x(probe) + move[0] * size * (across.end - across.start),
        explorer.y(probe) + move[1] * size * (up.end - up.start)));
    } else if (event.key === "Enter") {
      explorer.pin(explorer.nearestTo(explorer.view.probe));
    } else if (key === "n" || key === "p") {
      const at = explorer.usable.indexOf(explorer.view.pinned) + (key === "n" ? 1 : -1);
      explorer.pin(explorer.usable[(at + explorer.usable.length) % explorer.usable.length]);
    } else return;
    event.preventDefault();
  }

  /** Shows the controls for a group by the chosen label: bounds, or one of its texts. */
  askForGroup() {
    const { kind, categories } = this.explorer.header.labels[byId("group-label").value], texts = byId("group-text-value");
    byId("group-bounds").hidden = kind === "text";
    texts.hidden = kind !== "text";
    texts.replaceChildren();
    if (kind === "text") categories.forEach((name, i) => { make("option", name, texts).value = i; });
    for (const id of ["group-low", "group-high"]) {
      byId(id).type = kind === "time" ? "datetime-local" : "number";
      byId(id).step = kind === "time" ? "1" : "any";
    }
  }

  selectByLabel() {
    const { explorer } = this, index = byId("group-label").value, values = explorer.data[`label.${index}`].values;
    const low = byId("group-low").valueAsNumber, high = byId("group-high").valueAsNumber, text = Number(byId("group-text-value").value);
    const inside = explorer.header.labels[index].kind === "text"
      ? (v) => v === text
      : (v) => !(v < low) && !(v > high) && Number.isFinite(v); // an empty field is no bound
    const chosen = explorer.usable.filter((i) => inside(values[i]));
    explorer.source("points").selected.indices = chosen;
    if (!chosen.length) byId("group-text").textContent = "No pattern is in that group.";
  }

  hover({ index, geometry }) {
    const { explorer } = this;
    const card = byId("hover"), pattern = index.indices[0];
    if (pattern === undefined || explorer.view.mode === "lasso") { card.hidden = true; return; }
    if (explorer.view.hovered !== pattern) {
      explorer.view.hovered = pattern;
      card.replaceChildren();
      make("b", explorer.place(pattern), card);
      card.append(sparkline(explorer.synthesizer.measured(pattern), explorer.header.descending));
      const labels = explorer.labelsOf(pattern), most = 12;
      for (const [name, value] of labels.slice(0, most)) make("div", `${clipped(name, 40)}: ${clipped(value, 60)}`, card);
      if (labels.length > most) make("div", `and ${labels.length - most} more when it is pinned`, card);
    }
    const box = byId("plane-keys").getBoundingClientRect();
    card.hidden = false;
    const x = box.left + geometry.sx + 16, y = box.top + geometry.sy + 12;
    card.style.left = `${Math.max(4, Math.min(x, innerWidth - card.offsetWidth - 8))}px`;
    card.style.top = `${Math.max(4, Math.min(y, innerHeight - card.offsetHeight - 8))}px`;
  }
}
