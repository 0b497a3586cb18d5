// One Conv2D layer on a square image: its numbers with their arithmetic, one axis drawn, the Keras code; and
// backwards, every setting that gives a wanted size.
const W = STRINGS["size-calculator"];
const { h, s: svg, fill } = ui;
const MOST = { n: 64, kernel_size: 11, strides: 5, dilation_rate: 4, explicit_padding: 10, in_channels: 64, filters: 64, target: 64 };
const KEYS = ["n", "kernel_size", "strides", "padding", "explicit_padding", "dilation_rate", "in_channels", "filters", "use_bias"];
const upTo = (key) => Array.from({ length: MOST[key] }, (_, i) => i + 1);
const big = (value) => value.toLocaleString("en").replace("-", "−");
const zeroPadding = (zeros) => `ZeroPadding2D(${zeros})`;
const python = (values, between = ", ") => Object.entries(values).map(([key, value]) => `${key}=${JSON.stringify(value)}`).join(between);

// What follows from the settings. K is the kernel with its gaps; o is below 1 where it does not fit.
function solve(model) {
  const [n, k, s, mode, zeros, d, c, f, bias] = KEYS.map((key) => model.get(key)), p = mode === "explicit" ? zeros : mode;
  const K = effectiveKernelSize(k, d), [before, after] = padAmounts(n, k, s, p, d), total = n + before + after;
  const o = Math.floor((total - K) / s) + 1, fits = o > 0;
  return { n, k, s, mode, p, d, c, f, bias, K, before, after, total, o, fits, unread: fits ? unreadCells(n, k, s, p, d) : [] };
}

// Rows of [what, value, formula, the formula filled in, remark].
function results({ n, k, s, mode, d, c, f, bias, K, before, after, o, fits, unread }) {
  const reach = d > 1 ? "K" : "k", pads = before + after, missed = unread.length, weights = `${k}·${k}·${c}·${f}`;
  const params = big(convParams(k, c, f, bias)), macs = fits && big(convMacs(o, k, c, f));
  return [
    d > 1 && ["reach", K, "K = d·(k − 1) + 1", `${d}·(${k} − 1) + 1 = ${K}`],
    mode === "same" ? ["output", o, "o = ⌈n/s⌉", `⌈${n}/${s}⌉ = ${o}`] : ["output", fits ? o : W.none,
      `o = ⌊(n + p₁ + p₂ − ${reach})/s⌋ + 1`, `⌊(${n} + ${before} + ${after} − ${K})/${s}⌋ + 1 = ${big(o)}`],
    ["pads", fill(W.sides, { before, after }), ...mode === "same" ? [`p₁ + p₂ = max((o − 1)·s + ${reach} − n, 0)`,
      `max((${o} − 1)·${s} + ${K} − ${n}, 0) = ${pads}`, W[pads % 2 ? "odd" : "even"]] : ["", "", W[mode]]],
    fits && ["unread", missed || W.none, W.less, `${n} − ${n - missed} = ${missed}`,
      missed ? fill(W.where, { cells: unread.slice(0, 9).join(", ") + (missed > 9 ? " …" : "") }) : ""],
    ["params", params, `k·k·c·f${bias ? " + f" : ""}`, `${weights}${bias ? ` + ${f}` : ""} = ${params}`],
    fits && ["macs", macs, "o·o·k·k·c·f", `${o}·${o}·${weights} = ${macs}`],
  ].filter(Boolean);
}

// Single changes that make a layer possible, or acceptable to Keras.
const repairs = ({ n, k, d, K, total, fits }) => (fits ? [{ strides: 1 }, { dilation_rate: 1 }] : [
  { kernel_size: Math.floor((total - 1) / d) + 1 }, { dilation_rate: Math.floor((total - 1) / (k - 1)) }, { n: n + K - total },
  { padding: "same" }, { padding: "explicit", explicit_padding: Math.ceil((K - n) / 2) },
]).filter((change) => Object.entries(change).every(([key, value]) => key === "padding" || value > 0 && value <= MOST[key]));

// Input cells, windows (the first five and the last), each output cell under the middle of its window.
// What is too wide loses its middle to one slot with an ellipsis.
function drawing({ n, s, d, K, before, total, o, fits, unread }, width) {
  const all = Math.max(total, K), room = Math.floor(width / 26), cut = all > room, cell = cut ? width / room : Math.min(32, width / all);
  const left = cut ? room >> 1 : all, right = all - room + left + 1, count = Math.max(o, 1), base = cell + Math.min(count, 6) * 11 + 10;
  const at = (i) => i <= left - 1 ? i : i < right ? left : i - right + left + 1;
  const hidden = (i) => cut && at(i) === left, mid = (i) => (at(i) + 0.5) * cell, end = cell - 3, slash = `M3 ${end}L${end} 3`, parts = [];
  const path = (kind, d) => parts.push(svg("path", { class: kind, d }));
  const box = (slot, y, kind, text, mark) => parts.push(svg("g", { class: kind, transform: `translate(${slot * cell} ${y})` },
    svg("rect", { x: 2, y: 2, width: end - 1, height: end - 1, rx: 3 }), svg("path", { d: mark }), svg("text", { x: cell / 2, y: cell / 2 + 4 }, `${text}`)));
  for (let i = 0; i < total; i++) {
    const index = i - before;
    if (hidden(i)) continue;
    if (index < 0 || index >= n) box(at(i), 0, "pad", 0, slash);
    else if (unread.includes(index)) box(at(i), 0, "skip", index, `${slash}M3 3L${end} ${end}`);
    else box(at(i), 0, "in", index);
  }
  for (let j = 0; j < count; j++) {
    const first = j * s, last = first + K - 1, center = (first + last) / 2, lane = Math.min(j, 5), y = cell + 8 + lane * 11, below = fits && !hidden(center);
    if (below) box(at(center), base, "out", j);
    if (lane === 5 && j < count - 1 || hidden(first) && hidden(last)) continue;
    path(fits ? "win" : "bad", `M${mid(first)} ${y}H${mid(last)}`);
    if (below) path("drop", `M${mid(center)} ${y}V${base}`);
    for (let tap = first; tap <= last; tap += d) if (!hidden(tap)) parts.push(svg("circle", { cx: mid(tap), cy: y, r: 3 }));
  }
  if (cut) for (const y of fits ? [0, base] : [0]) box(left, y, "gap", "⋯");
  return svg("svg", { role: "img", width, height: fits ? base + cell : base }, parts);
}

export default {
  render({ model, el }) {
    const view = ui.view({ model, el, name: "size-calculator" });
    const slider = (key) => view.range(key, { max: Math.max(MOST[key], model.get(key)) });
    // Sets what its text says. Where it goes away with the problem that it solved, the result takes the focus.
    const use = (values, text, label) => ui.button(text, ({ target }) => {
      view.set(values);
      queueMicrotask(() => target.isConnected || head.focus());
    }, { "aria-label": label });
    const [notes, code, found, plain, padded] = ["div", "pre", "p", "ul", "ul"].map((tag) => h(tag));
    const head = h("p", { class: "cnnlib-size-head", tabindex: -1 }), axis = h("div", { class: "cnnlib-size-axis" }), rows = h("div", { class: "cnnlib-size-pair" });
    const keras = h("section", {}, h("p", {}, h("b", {}, W.code), " ", view.copy(() => code.textContent)), code), zeros = slider("explicit_padding");
    const more = h("details", {}, h("summary"), padded);
    let ways = [], width = 600, said;

    const draw = () => {
      const L = solve(model), { n, k, s, mode, p, d, c, f, bias, o, fits } = L, ok = fits && (s === 1 || d === 1);
      const table = results(L), picture = drawing(L, width), problem = ok ? "" : fill(fits ? STRINGS.common.refused + W.refused : W.tooLong, L);
      const layer = { filters: f, kernel_size: k, strides: s, padding: mode === "same" ? mode : "valid", dilation_rate: d };
      zeros.hidden = mode !== "explicit";
      keras.hidden = !ok;
      head.textContent = fill(W.head + (fits ? W.shape : W.noOutput), L);
      notes.replaceChildren(problem && h("div", { class: "cnnlib-problem" }, problem, h("p", {}, repairs(L).map((change) => use(change, change.explicit_padding ? zeroPadding(change.explicit_padding) : python(change))))));
      picture.ariaLabel = `${fill(W.picture, L)} ${head.textContent}`;
      axis.replaceChildren(picture, h("small", { class: "cnnlib-muted" }, W.windows, L.total > n ? W.struck : "", L.unread.length ? W.crossed : ""));
      rows.replaceChildren(...table.map(([key, value, formula, filled, remark]) => h("div", { "data-row": key }, h("div", {}, W[key], h("b", {}, `${value}`)),
        formula && [h("small", { class: "cnnlib-muted" }, formula), h("small", {}, `= ${filled}`)], remark && h("small", {}, remark))));
      code.textContent = `import keras\n\nmodel = keras.Sequential([\n    keras.Input((${n}, ${n}, ${c})),\n${p === mode ? "" : `    keras.layers.${zeroPadding(p)},\n`
      }    keras.layers.Conv2D(\n        ${python(layer, ",\n        ")},${bias ? "" : "\n        use_bias=False,"}\n    ),\n])  # (None, ${o}, ${o}, ${f})`;
      const news = problem || table.map(([key, value]) => `${W[key]}: ${value}`).join(". ");
      if (said && said !== news) view.say(news);
      said = news;
      mark();
    };
    // Marks the setting in use among those found.
    const mark = () => ways.forEach(([button, values]) => { button.ariaPressed = Object.keys(values).every((key) => model.get(key) === values[key]); });
    const list = () => {
      const n = model.get("n"), target = model.get("target"), groups = {}, [ks, ss, ds] = ["kernel_size", "strides", "dilation_rate"].map(upTo);
      ways = [];
      for (const p of ["valid", "same", ...upTo("explicit_padding")]) {
        for (const way of settingsFor(n, target, ks, ss, [p], ds).sort((a, b) => a.dilation_rate - b.dilation_rate)) {
          const { kernel_size: k, strides: s, dilation_rate: d } = way;
          if (p > d * (k - 1)) continue; // its first window would hold nothing but padding
          const group = `${p > 0 ? zeroPadding(p) : `padding="${p}"`}, strides=${s}${d > 1 ? `, dilation_rate=${d}` : ""}`;
          const values = p > 0 ? { ...way, padding: "explicit", explicit_padding: p } : way, button = use(values, `${k}`, `kernel_size=${k}, ${group}`);
          ways.push([button, values]);
          (groups[group] ??= []).push(button);
        }
      }
      found.textContent = fill(W.found + (ways.length ? W.ways : W.noWay), { n, target, count: ways.length });
      plain.replaceChildren();
      padded.replaceChildren();
      for (const [group, buttons] of Object.entries(groups)) {
        (group[0] === "Z" ? padded : plain).append(h("li", {}, h("code", {}, group), h("div", {}, "kernel_size ", buttons)));
      }
      more.hidden = !padded.firstChild;
      more.firstChild.textContent = fill(W.more, { count: padded.querySelectorAll("button").length });
      mark();
    };
    el.append(h("div", { class: "cnnlib-controls" }, ["n", "kernel_size", "strides", "dilation_rate"].map(slider),
      view.choice("padding", STRINGS.common.modes), zeros,
      ["in_channels", "filters"].map(slider), view.checkbox("use_bias")),
    head, notes, axis, rows, h("div", { class: "cnnlib-size-pair" }, keras, h("section", {}, h("p", {}, h("b", {}, W.backwards)), slider("target"), found, plain, more)));
    view.watch(KEYS, draw);
    view.watch(["n", "target"], list);
    const observer = new ResizeObserver(([{ contentRect: { width: now } }]) => { if (now && now !== width) { width = now; draw(); } });
    observer.observe(axis);
    return () => { observer.disconnect(); view.dispose(); };
  },
};
