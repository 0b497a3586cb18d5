// The twin of cnnlib/geometry.py, where the rules are explained: same order of arguments, same error texts
// (here all RangeError). Tuples are arrays, None is null. n input side, k kernel size, s strides, p padding,
// d dilation rate. Left to Python are the checks of what no widget passes: unequal ranks in convMacs and
// choices that are no list in settingsFor. No DOM, no imports. Private names begin with "geom": a page's files
// share one scope.

const { abs, ceil, floor, max, min, round } = Math, isList = Array.isArray; // for all files of a page
const geomFail = (text) => { throw new RangeError(text); };
const geomShow = (v) => isList(v) ? `(${v.map(geomShow).join(", ")}${v.length === 1 ? ",)" : ")"}`
  : typeof v === "string" ? `'${v}'` : v === true ? "True" : v === false ? "False" : v == null ? "None" : `${v}`;
const geomIsInt = (v, least) => Number.isInteger(v) && v >= least;
const geomInt = (name, v, least = 1) => geomIsInt(v, least) ? v
  : geomFail(`${name}=${geomShow(v)} is not an integer >= ${least}`);
const geomFlag = (name, v) => typeof v === "boolean" ? +v : geomFail(`${name}=${geomShow(v)} is neither True nor False`);
const geomSides = (name, v, axes = 2) => !isList(v) ? Array(axes).fill(geomInt(name, v))
  : v.length ? v.map((side, i) => geomInt(`${name}[${i}]`, side))
  : geomFail(`${name}=() is empty; use an integer or one integer an axis`);
const geomOutput = (index, o) => geomInt("index", index, 0) < o ||
  geomFail(`index=${index} is not an output: there are ${o}, use 0 to ${o - 1}`);
const geomProduct = (sides) => sides.reduce((a, b) => a * b, 1);

// "valid", "same" or "causal", or the zeros [before, after]
function geomPadding(name, p) {
  const mode = typeof p === "string" ? p.toLowerCase() : isList(p) ? p : [p, p];
  return ["valid", "same", "causal"].includes(mode) || mode.length === 2 && mode.every?.((zeros) => geomIsInt(zeros, 0))
    ? mode : geomFail(`${name}=${geomShow(p)} is none of 'valid', 'same', 'causal', an integer >= 0, (before, after)`);
}
// how many input cells the kernel covers, zeros before, zeros after
function geomAxis(n, k, s, p, d) {
  geomInt("n", n);
  const covers = effectiveKernelSize(k, d);
  geomInt("strides", s);
  const mode = geomPadding("padding", p);
  if (mode === "valid") return [covers, 0, 0];
  if (mode === "causal") return [covers, covers - 1, 0];
  if (mode === "same") {
    const total = max((ceil(n / s) - 1) * s + covers - n, 0);
    return [covers, floor(total / 2), ceil(total / 2)];
  }
  return [covers, ...mode];
}
// how many weights the filters have for one cell of the kernel
function geomChannels(inChannels, filters, groups) {
  geomInt("in_channels", inChannels); geomInt("filters", filters); geomInt("groups", groups);
  if (inChannels % groups || filters % groups)
    geomFail(`groups=${groups} does not divide both in_channels=${inChannels} and filters=${filters}`);
  return inChannels / groups * filters;
}
function geomStack(layers) {
  if (!isList(layers)) geomFail(`layers=${geomShow(layers)} is not a list of layers`);
  return layers.map((layer, i) => {
    const at = `layers[${i}]`;
    if (!isList(layer) || layer.length < 1 || layer.length > 4)
      geomFail(`${at}=${geomShow(layer)} is not (kernel_size[, strides[, dilation_rate[, padding]]])`);
    const [k, s = 1, d = 1, p = "valid"] = layer;
    geomInt(at + ".kernel_size", k); geomInt(at + ".strides", s); geomInt(at + ".dilation_rate", d);
    geomPadding(at + ".padding", p);
    return [k, s, d, p];
  });
}

export function effectiveKernelSize(k, d = 1) {
  geomInt("kernel_size", k);
  return geomInt("dilation_rate", d) * (k - 1) + 1;
}
export function padAmounts(n, k, s = 1, p = "valid", d = 1) {
  return geomAxis(n, k, s, p, d).slice(1);
}
export function outputSize(n, k, s = 1, p = "valid", d = 1) {
  const [covers, before, after] = geomAxis(n, k, s, p, d), room = n + before + after;
  if (room < covers)
    geomFail(`kernel_size=${k}${d > 1 ? ` with dilation_rate=${d}` : ""} covers ${covers} input cells but n=${n} with ` +
      `padding=${geomShow(p)} offers only ${room}; use kernel_size <= ${floor((room - 1) / d) + 1}, ` +
      "a larger n, or padding='same'");
  return floor((room - covers) / s) + 1;
}
export function readWindow(n, index, k, s = 1, p = "valid", d = 1) {
  const o = outputSize(n, k, s, p, d);
  geomOutput(index, o);
  const start = index * s - padAmounts(n, k, s, p, d)[0];
  return Array.from({ length: k }, (_, tap) => start + tap * d);
}
export function unreadCells(n, k, s = 1, p = "valid", d = 1) {
  let i = outputSize(n, k, s, p, d);
  const cells = new Set(Array(n).keys());
  while (i--) readWindow(n, i, k, s, p, d).forEach((cell) => cells.delete(cell));
  return [...cells];
}
export function transposedOutputSize(n, k, s = 1, p = "valid", outputPadding = null, d = 1) {
  geomInt("n", n);
  let covers = effectiveKernelSize(k, d);
  geomInt("strides", s);
  const mode = geomShow(p).toLowerCase(), same = mode === "'same'";
  if (!same && mode !== "'valid'") geomFail(`padding=${geomShow(p)} is neither 'valid' nor 'same'`);
  if (s > 1 && d > 1) geomFail(`strides=${s} and dilation_rate=${d} are both above 1, which Keras refuses`);
  if (outputPadding === null) return same ? n * s : (n - 1) * s + max(covers, s);
  if (geomInt("output_padding", outputPadding, 0) >= s)
    geomFail(`output_padding=${outputPadding} is not below strides=${s}`);
  if (same) {
    if (covers % 2 + outputPadding === 0)
      geomFail(`output_padding=0 with padding='same' does not fit a kernel that covers ${covers} cells, an even number; ` +
        "use a larger one, or None");
    covers %= 2;
  }
  return (n - 1) * s + covers + outputPadding;
}
// [cell, tap] of every product that the output sums
export function transposedWindow(n, index, k, s = 1, p = "valid", outputPadding = null, d = 1) {
  const o = transposedOutputSize(n, k, s, p, outputPadding, d), found = [];
  geomOutput(index, o);
  const end = index + padAmounts(o, k, s, p, d)[0];
  for (let cell = 0; cell < n; cell++) {
    const reach = end - cell * s;
    if (reach >= 0 && reach <= d * (k - 1) && reach % d === 0) found.push([cell, reach / d]);
  }
  return found;
}

export function convParams(kernelSize, inChannels, filters, useBias = true, groups = 1) {
  const area = geomProduct(geomSides("kernel_size", kernelSize));
  return area * geomChannels(inChannels, filters, groups) + geomFlag("use_bias", useBias) * filters;
}
export function denseParams(inputs, units, useBias = true) {
  return denseMacs(inputs, units) + geomFlag("use_bias", useBias) * units;
}
export function batchNormParams(channels, scale = true, center = true) {
  geomInt("channels", channels);
  return [channels * (geomFlag("scale", scale) + geomFlag("center", center)), 2 * channels];
}
export function convMacs(outputShape, kernelSize, inChannels, filters, groups = 1) {
  const outputs = geomSides("output_shape", outputShape);
  const area = geomProduct(geomSides("kernel_size", kernelSize, outputs.length));
  return geomProduct(outputs) * area * geomChannels(inChannels, filters, groups);
}
export function denseMacs(inputs, units) {
  return geomInt("inputs", inputs) * geomInt("units", units);
}

export function receptiveField(layers) {
  let size = 1, jump = 1;
  for (const [k, s, d] of geomStack(layers)) size += d * (k - 1) * jump, jump *= s;
  return [size, jump];
}
export function receptiveFieldStart(layers, n = null) {
  if (n !== null) geomInt("n", n);
  let start = 0, jump = 1;
  for (const [k, s, d, p] of geomStack(layers)) {
    if (n === null && s > 1 && geomShow(p).toLowerCase() === "'same'")
      geomFail(`n=None is not enough: padding='same' with strides=${s} depends on n`);
    start -= padAmounts(n ?? 1, k, s, p, d)[0] * jump;
    if (n !== null) n = outputSize(n, k, s, p, d);
    jump *= s;
  }
  return start;
}
// positions of every level, the input's first, that an output depends on
export function trace(layers, n, index) {
  const sizes = [geomInt("n", n)], stack = geomStack(layers);
  for (const [k, s, d, p] of stack) sizes.push(outputSize(sizes.at(-1), k, s, p, d));
  const o = sizes.at(-1);
  geomOutput(index, o);
  const levels = [[index]];
  stack.reverse().forEach(([k, s, d, p], back) => {
    const [size, outputs] = sizes.slice(-2 - back), read = new Set();
    for (const i of levels[0]) if (i >= 0 && i < outputs) readWindow(size, i, k, s, p, d).forEach((cell) => read.add(cell));
    levels.unshift([...read].sort((a, b) => a - b));
  });
  return levels;
}
// every setting that turns n cells into `output` cells, with Python's keys
export function settingsFor(n, output, kernelSizes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], strides = [1, 2, 3, 4],
  paddings = ["valid", "same"], dilationRates = [1, 2, 3]) {
  geomInt("n", n); geomInt("output", output);
  const found = [];
  for (const k of kernelSizes) for (const s of strides) for (const p of paddings)
    for (const d of k === 1 ? dilationRates.slice(0, 1) : dilationRates) {
      const [covers, before, after] = geomAxis(n, k, s, p, d), spare = n + before + after - covers;
      if ((s === 1 || d === 1) && spare >= 0 && floor(spare / s) + 1 === output)
        found.push({ kernel_size: k, strides: s, padding: p, dilation_rate: d });
    }
  return found;
}
