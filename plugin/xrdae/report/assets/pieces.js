"use strict";
/* Small parts of the page that do not depend on its state. */

const byId = (id) => document.getElementById(id);

function make(tag, text, parent) {
  const element = document.createElement(tag);
  if (text !== undefined) element.textContent = text;
  parent?.append(element);
  return element;
}

const short = (v, digits = 5) => (Number.isFinite(v) ? String(Number(v.toPrecision(digits))) : "none");
/** Returns a number with three digits, or a word as it is. */
const asText = (v) => (typeof v === "string" ? v : short(v, 3));

/** A line and one standard deviation around it; below zero only where intensities may be (signed). */
const band = (x, { intensity: y, std }, signed) => ({
  x, y, high: y.map((v, i) => v + std[i]),
  low: y.map((v, i) => (signed ? v - std[i] : Math.max(v - std[i], Math.min(v, 0)))),
});

/** Words with their units, if there are any. */
const withUnits = (text, units) => (units ? `${text} (${units})` : text);

const asTime = (milliseconds) => new Date(milliseconds).toISOString().slice(0, 19);

const clipped = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

/** Returns the text at a place of the colour bar. */
function inColourBar({ kind, categories }, value) {
  if (kind === "text") return Number.isInteger(value) ? clipped(categories[value] ?? "", 20) : "";
  return kind === "time" ? asTime(value).replace("T", " ").slice(0, 16) : short(value, 6);
}

/** Returns text that Bokeh does not treat as TeX. */
const plain = (text) => new (Bokeh.Models.get("PlainText"))({ text });

/** Returns distances of values from their median, since dips of signed patterns are peaks, too. */
function fromMedian(y) {
  const known = y.filter(Number.isFinite).sort(), middle = known.length ? known[known.length >> 1] : 0;
  return y.map((v) => Math.abs(v - middle));
}

/** Positions of maxima that are at least 5 % of the highest value above their valleys. */
function findPeaks(axis, y) {
  const found = [], most = y.reduce((a, b) => (b > a ? b : a), 0), least = 0.05 * most;
  for (let i = 1; i < y.length - 1; i++) {
    if (!(y[i] > y[i - 1] && y[i] >= y[i + 1]) || y[i] < least) continue;
    const valley = (step) => {
      let low = y[i];
      for (let j = i + step; j >= 0 && j < y.length && !(y[j] > y[i]); j += step) low = Math.min(low, y[j]);
      return low;
    };
    if (y[i] - Math.max(valley(-1), valley(1)) < least) continue;
    const bend = y[i - 1] - 2 * y[i] + y[i + 1], shift = bend < 0 ? (y[i - 1] - y[i + 1]) / (2 * bend) : 0;
    found.push(axis[i] + shift * (axis[i + 1] - axis[i - 1]) / 2);
  }
  return found;
}

function sparkline(y, descending) {
  const SVG = "http://www.w3.org/2000/svg", svg = document.createElementNS(SVG, "svg");
  const width = 240, height = 70, low = y.reduce((a, b) => (b < a ? b : a), 0), tops = new Array(width).fill(NaN);
  const span = y.reduce((a, b) => (b > a ? b : a), 0) - low || 1;
  y.forEach((v, i) => { // the value farthest from zero in each pixel: no peak and no dip is lost
    const k = Math.floor((descending ? y.length - 1 - i : i) / y.length * width);
    if (!Number.isNaN(v) && !(Math.abs(v) <= Math.abs(tops[k]))) tops[k] = v;
  });
  const points = tops.map((v, k) => `${k},${(height - 3 - (v - low) / span * (height - 8)).toFixed(1)}`)
    .filter((_, k) => !Number.isNaN(tops[k]));
  const line = document.createElementNS(SVG, "polyline");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  line.setAttribute("points", points.join(" "));
  line.setAttribute("fill", "none");
  line.setAttribute("stroke", "black");
  svg.append(line);
  return svg;
}
