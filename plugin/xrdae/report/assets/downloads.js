"use strict";
/* Downloads of tables and pictures. */

/** Returns the content of a panel as text. */
function csvOf(explorer, panel) {
  const { header, view, axis, data } = explorer;
  const axisName = header.axis_name + (header.axis_units && ` [${header.axis_units}]`);
  if (panel === "plane") {
    const names = Array.from({ length: header.n_latent }, (_, l) => [`latent_${l}`, `latent_std_${l}`]).flat();
    const group = new Set(view.group);
    const rows = explorer.usable.map((i) => [
      i, explorer.place(i), ...explorer.synthesizer.latent(i).flatMap((v, l) => [v, data.latent_std.values[i * header.n_latent + l]]),
      ...explorer.labelsOf(i).map(([, value], k) => (header.labels[k].kind === "number" ? data[`label.${k}`].values[i] : value)),
      group.has(i) ? 1 : 0,
    ]);
    return table(["pattern", "place", ...names, ...header.labels.map((l) => l.name), "in_group"], rows);
  }
  if (panel === "relevance") {
    const names = Array.from({ length: header.n_latent }, (_, l) => `latent_shift_${l}`);
    const whole = explorer.regionResults();
    return table(["region_start", "region_stop", ...whole.map(([name]) => name), ...names],
      view.relevance.map((_, r) => [data.region_start.values[r], data.region_stop.values[r],
        ...whole.map(([, values]) => values[r]), ...explorer.shift(view.pinned, r)]));
  }
  const columns = panel === "pattern" ? {
    [`pinned_${view.pinned}`]: explorer.synthesizer.measured(view.pinned),
    ...(view.found ? { synthesized: view.found.intensity, synthesized_std: view.found.std } : {}),
    ...(view.group.length ? { group_mean: view.groupPattern.intensity, group_std: view.groupPattern.std } : {}),
  } : view.between === undefined ? { [`from_${view.from}`]: explorer.synthesizer.measured(view.from) } : {
    [`from_${view.between.from}`]: explorer.synthesizer.measured(view.between.from),
    [`to_${view.between.to}`]: explorer.synthesizer.measured(view.between.to),
    [`synthesized_${view.between.fraction}`]: view.between.intensity, synthesized_std: view.between.std, linear_blend: view.between.blend,
  };
  const values = Object.values(columns);
  const rows = Array.from(axis, (x, i) => [x, ...values.map((v) => v[i])]);
  return table([axisName, ...Object.keys(columns)], header.descending ? rows.reverse() : rows);
}

/** Saves the figure of a panel. */
async function savePicture(explorer, panel) {
  const figure = explorer.models[panel];
  save(await Bokeh.index.get_by_id(figure.id).export("png", true).to_blob(), `${panel}.png`);
}

/** Returns rows as CSV. Texts that spreadsheets take for formulas get an apostrophe in front. */
function table(names, rows) {
  const formula = /^[=+\-@\t\r\n\uFF1D\uFF0B\uFF0D\uFF20]/; // the last four: full-width = + - @
  const number = /^[+-]?[0-9]+(\.[0-9]*)?(e[+-]?[0-9]+)?$/i;
  const cell = (v) => {
    if (typeof v === "number") return Number.isNaN(v) ? "" : String(v);
    const text = String(v);
    const guard = formula.test(text) && !number.test(text) ? "'" : "";
    return `"${guard}${text.replaceAll('"', '""')}"`;
  };
  return [names, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
}

function save(blob, name) {
  const link = make("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
