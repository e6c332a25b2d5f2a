"use strict";
/* Unpacks the arrays of the page; packing.py packs them. */

const TYPES = { float32: Float32Array, float64: Float64Array, int32: Int32Array, uint16: Uint16Array };
const NOTHING = 65535; // code of what is not a number, see packing.py

/** Returns the arrays by name: values, shape, and row(i) as numbers. */
async function unpack(header, text) {
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const buffer = await new Response(stream).arrayBuffer();
  const arrays = {};
  for (const [name, { type, shape, start }] of Object.entries(header)) {
    const size = shape.reduce((a, b) => a * b, 1);
    arrays[name] = { shape, values: new TYPES[type](buffer, start, size) };
  }
  for (const [name, array] of Object.entries(arrays)) {
    const offset = arrays[`${name}.offset`]?.values, step = arrays[`${name}.step`]?.values;
    if (!offset) continue;
    const width = array.shape[1];
    array.row = (i) => Float64Array.from(array.values.subarray(i * width, (i + 1) * width),
      (code) => (code === NOTHING ? NaN : offset[i] + step[i] * code));
  }
  return arrays;
}
