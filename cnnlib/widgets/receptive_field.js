// A stack of layers on a square image: the field of one output lit through every level, a row of numbers a layer with
// their arithmetic; a second stack to compare with, and the input size at which one becomes cheaper than the other.
// A level is the input (level 0) or the output of a layer. Positions below 0 or from its size on are padding.
const W = STRINGS["receptive-field"], { h, s: svg, fill } = ui;
const LARGEST = 256, TYPES = ["Conv2D", "MaxPooling2D", "AveragePooling2D"], ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
const big = (x) => x.toLocaleString("en").replace("-", "−");

// "3s64/2": see receptive_field.py
const preset = (name, channels) => DATA.presets[name].split(" ").map((short) => {
  const [, pool, k, p, f, s, d, plain] = short.match(/^(m?)(\d+)([vs]?)(\d*)(?:\/(\d+))?(?:d(\d+))?(n?)$/), padding = p === "s" ? "same" : "valid";
  return pool ? { type: "MaxPooling2D", kernel_size: +k, strides: +(s ?? k), padding }
    : { type: "Conv2D", filters: +f || channels, kernel_size: +k, strides: +(s ?? 1), padding, dilation_rate: +(d ?? 1), use_bias: !plain };
});

// Everything about a stack: a row a layer, the problem (index of the layer that does not fit) and, for the chosen
// output, its cell and the positions that it depends on by axis and level.
function solve(layers, n, channels, output) {
  let size = n, jump = 1, field = 1, start = 0, problem;
  const rows = layers.map((layer, i) => {
    const [k, s, p, d] = layerAxis(layer, 0), K = effectiveKernelSize(k, d), row = { layer, k, s, p, d, K, n: size, r0: field, j0: jump, s0: start, c: channels, f: layer.filters };
    [row.before, row.after] = padAmounts(size, k, s, p, d);
    field += (K - 1) * jump;
    jump *= s;
    row.room = size + row.before + row.after;
    if (problem === undefined && row.room < K) problem = i;
    if (problem === undefined) {
      start -= row.before * row.j0;
      size = outputSize(size, k, s, p, d);
      Object.assign(row, { o: size, start, macs: row.f ? convMacs(size, k, channels, row.f) : 0 });
    }
    row.params = row.f ? convParams(k, channels, row.f, layer.use_bias) : 0;
    channels = row.f ?? channels;
    return Object.assign(row, { jump, field });
  });
  const fitting = rows.filter((row) => row.o), stack = fitting.map(({ k, s, d, p }) => [k, s, d, p]);
  const cell = [0, 1].map((axis) => Math.min(output?.[axis] ?? (size - 1) >> 1, size - 1));
  const lit = cell.map((index) => trace(stack, n, index));
  // What a level has: its size, the padding that the next layer adds, where cell i lies in the input (place + i * jump).
  const levels = [{ size: n, jump: 1, field: 1, start: 0 }, ...fitting.map((row) => ({ ...row, size: row.o }))].map((level, i) => ({ ...level,
    before: fitting[i]?.before ?? 0, after: fitting[i]?.after ?? 0, place: level.start + (level.field - 1) / 2 }));
  for (const [i, level] of levels.entries()) {
    level.inner = lit.map((all) => all[i].filter((at) => at >= 0 && at < level.size));
    level.first = level.inner.map((cells) => cells.length && level.start + cells[(cells.length - 1) >> 1] * level.jump);
    level.inside = level.inner.map((cells, axis) => cells.length && Math.max(0, Math.min(n, level.first[axis] + level.field) - Math.max(0, level.first[axis])));
  }
  const last = levels.at(-1), sum = (key) => rows.reduce((all, row) => all + row[key], 0);
  return { n, rows, problem, fitting, levels, lit, cell, size, field: last.field, theory: cell.map((at) => last.start + at * last.jump),
    macs: problem === undefined && sum("macs"), params: sum("params") };
}

// The arithmetic of a row: [what, how].
const reasons = ({ n, k, s, p, d, K, before, after, room, o, jump, j0, field, r0, start, s0, c, f, params, macs, layer }, from, whole, inside) => [
  d > 1 && [W.covers, `K = d·(k − 1) + 1 = ${d}·(${k} − 1) + 1 = ${K}`],
  [W.output, !o ? fill(W.tooSmall, { K, room }) : p === "same" ? `⌈n / s⌉ = ⌈${n} / ${s}⌉ = ${o}`
    : `⌊(n + p₁ + p₂ − ${d > 1 ? "K" : "k"}) / s⌋ + 1 = ⌊(${n} + ${before} + ${after} − ${K}) / ${s}⌋ + 1 = ${o}`],
  [W.jump, `${j0}·${s} = ${jump}`],
  o && [W.start, `${big(s0)} − ${before}·${j0} = ${big(start)}`],
  [W.field, `r = ${r0} + (${K} − 1)·${j0} = ${field}`],
  o && [W.inside, fill(W.insideWhy, { a: big(from), b: big(from + field - 1), last: whole - 1, count: inside })],
  [W.params, f ? `${k}·${k}·${c}·${f}${layer.use_bias ? ` + ${f}` : ""} = ${big(params)}` : W.pool],
  o && [W.macs, f ? `${o}·${o}·${k}·${k}·${c}·${f} = ${big(macs)}` : W.pool],
].filter(Boolean);

// [first, length] of each run of neighbours
const runs = (cells) => cells.reduce((all, at) => {
  const last = all.at(-1);
  if (last && last[0] + last[1] === at) last[1]++;
  else all.push([at, 1]);
  return all;
}, []);
const box = (x, y, w = 1, t = w) => `M${x} ${y}h${w}v${t}h${-w}z`;
const ends = (all) => [Math.min(...all), Math.max(...all)];
const path = (kind, d) => d && svg("path", { class: kind, d });
const levelName = (S, i) => `${i ? `${i} ${S.fitting[i - 1].layer.type} ${S.fitting[i - 1].k}×${S.fitting[i - 1].k}:` : W.input} ${S.levels[i].size}×${S.levels[i].size}`;
const span = (cells) => (cells.length > 1 ? fill(W.span, { a: cells[0], b: cells.at(-1) }) : `${cells[0] ?? W.none}`);

// The 2-D view: a map a level. Where the cells are too small to be told apart, only blocks are drawn.
const maps = (S, width) => S.levels.map(({ size, before, after, inner }, i) => {
  const [first, other] = width < 420 ? [140, 84] : [190, S.levels.length > 10 ? 92 : 120], side = i ? other : first, all = before + size + after, [rows, columns] = S.lit.map((axis) => axis[i]), apart = side / all >= 4;
  const out = (at) => at < 0 || at >= size, blocks = (down, across) => runs(down).flatMap(([y, t]) => runs(across).map(([x, w]) => box(x, y, w, t))).join("");
  let grid = "", zeros = apart ? "" : blocks(rows, columns);
  if (apart) {
    for (let at = 1; at < size; at++) grid += `M0 ${at}H${size}M${at} 0V${size}`;
    for (const y of rows) for (const x of out(y) ? columns : columns.filter(out)) zeros += `${box(x, y)}M${x} ${y + 1}l1 -1`;
  }
  const name = levelName(S, i);
  return h("figure", { style: `width:${side}px` }, h("figcaption", {}, name), svg("svg", { role: "img", viewBox: `${-before} ${-before} ${all} ${all}`, "data-level": i,
    "aria-label": `${name}, ${fill(W.lit, { rows: span(inner[0]), columns: span(inner[1]) })}` },
  [path("map", box(0, 0, size)), path("pad", all > size && box(-before, -before, all)), path("zero", zeros), path("lit", blocks(...inner)), path("grid", grid),
    path("theory", !i && box(S.theory[1], S.theory[0], S.field))].filter(Boolean)));
});

// The 1-D view: the columns of every level, the output on top. Its ruler is the input's positions; what is too wide is
// cut to the surroundings of the field, and cells that are still too small are drawn as bars. Returns the drawing and
// the ruler's position under a pixel.
function strip(S, width) {
  const { levels } = S, L = levels.length - 1, tall = L > 7 ? 44 : 60, x = (level, i) => level.place + i * level.jump;
  const whole = ends(levels.flatMap((level) => [x(level, -level.before), x(level, level.size - 1 + level.after)]));
  let [low, high] = whole;
  if (width / (high - low + 1) < 16) {
    const [left, right] = ends(levels.flatMap((level, i) => S.lit[1][i].map((at) => x(level, at))));
    low = Math.max(low, left - 2);
    high = Math.min(high, right + 2);
  }
  const u = Math.min(34, width / (high - low + 1)), bars = u < 5, t = bars ? 12 : Math.min(u, 22), at = (level, i) => (x(level, i) - low + 0.5) * u, top = (i) => (L - i) * tall + 18, parts = [], texts = [];
  levels.forEach((level, i) => {
    const { size, jump, before, after } = level, y = top(i), d = { cone: "", ray: "", map: "", pad: "", zero: "", lit: "" }, lit = new Set(S.lit[1][i]), inner = level.inner[1];
    const first = Math.max(-before, Math.ceil((low - level.place) / jump)), last = Math.min(size - 1 + after, Math.floor((high - level.place) / jump));
    const put = (a, count, w) => { d[lit.has(a) ? (a < 0 || a >= size ? "zero" : "lit") : a < 0 || a >= size ? "pad" : "map"] += box(at(level, a) - w / 2, y, (count - 1) * jump * u + w, t); };
    if (bars) {
      d.map = box(at(level, Math.max(0, first)) - u / 2, y, Math.max(0, Math.min(size - 1, last) - Math.max(0, first)) * jump * u + u, t);
      runs(S.lit[1][i]).forEach(([a, count]) => put(a, count, Math.max(u, 3)));
    } else for (let a = first; a <= last; a++) {
      put(a, 1, u - 1);
      const pad = a < 0 || a >= size, left = at(level, a) - u / 2;
      if (pad && lit.has(a)) d.zero += `M${left} ${y + t}L${left + u} ${y}`;
      if (u >= 20) texts.push(svg("text", { x: left + u / 2, y: y + t - 7, "text-anchor": "middle", class: !pad && lit.has(a) ? "on" : "" }, pad ? "0" : `${a}`));
    }
    if (i && inner.length) {
      const { k, s, p, d: rate } = S.fitting[i - 1], below = levels[i - 1], ground = top(i - 1), reads = (a) => readWindow(below.size, a, k, s, p, rate), [a, b] = [inner[0], inner.at(-1)];
      d.cone = `M${at(level, a) - u / 2} ${y + t}L${at(level, b) + u / 2} ${y + t}L${at(below, reads(b).at(-1)) + u / 2} ${ground}L${at(below, reads(a)[0]) - u / 2} ${ground}z`;
      if (inner.length * k < 150) for (const from of inner) for (const to of reads(from)) d.ray += `M${at(level, from)} ${y + t}L${at(below, to)} ${ground}`;
    }
    parts.push(...Object.entries(d).map(([kind, line]) => path(kind, line)));
    texts.push(svg("text", { y: y - 5 }, levelName(S, i) + (!i && (low > whole[0] || high < whole[1]) ? W.cut : "")));
  });
  return [svg("svg", { role: "img", width, height: top(0) + 26, "aria-label": levels.map((level, i) => `${levelName(S, i)}: ${span(level.inner[1])}`).join(". ") }, [...parts.filter(Boolean), ...texts]), (px) => px / u - 0.5 + low];
}

// The output sides of a stack's layers at the input sizes 1, 2, ...; undefined where it does not fit.
const sides = (axes) => Array.from({ length: LARGEST }, (_, i) => {
  let n = i + 1;
  const all = [];
  for (const [k, s, p, d] of axes) {
    const [before, after] = padAmounts(n, k, s, p, d);
    if (n + before + after < effectiveKernelSize(k, d)) return undefined;
    all.push(n = outputSize(n, k, s, p, d));
  }
  return all;
});
// [from, to, sign of the first cost minus the second]
const costRuns = (first, second) => first.reduce((all, cost, i) => {
  const sign = Math.sign(cost - second[i]), last = all.at(-1);
  if (last && last[1] === i && last[2] === sign) last[1]++;
  else if (!Number.isNaN(sign)) all.push([i + 1, i + 1, sign]);
  return all;
}, []);

export default {
  render({ model: traits, el }) {
    const keys = ["layers", "other"], solved = {}, curves = {}, get = (key) => model.get(key), all = () => keys.flatMap(get), convs = () => all().filter((layer) => layer.filters);
    const solveBoth = () => keys.forEach((key) => { solved[key] = solve(get(key), get("n"), get("in_channels"), get("output")); });
    const everywhere = (change) => { traits.set("other", get("other").map(change)); return get("layers").map(change); };
    const net = (key) => (get(key).length ? Object.keys(DATA.presets).find((name) => ui.same(get(key), preset(name, get("in_channels")))) ?? "own" : "none");
    const choose = (key) => [key, () => net(key), (name, layers) => (name === "none" ? [] : !DATA.presets[name] ? layers : ui.same(preset(name, 1), preset(name, 2)) ? name : preset(name, get("in_channels")))];
    const cellPart = (axis) => ["output", () => solved.layers.cell[axis], (value) => solved.layers.cell.map((old, i) => (i === axis ? value : old))];
    // In the page an address may name a preset; what Python and the editor give are layers.
    const expand = (layers) => (typeof layers === "string" ? preset(layers, traits.get("in_channels")) : layers);
    const stacks = ui.parts(traits, { layers: ["layers", expand], other: ["other", expand] });
    const model = ui.parts(stacks, {
      channels: ["in_channels", channelPlace, channelScale],
      filters: ["layers", () => channelPlace(Math.max(1, ...convs().map((layer) => layer.filters))), (i) => everywhere((layer) => (layer.filters ? { ...layer, filters: channelScale(i) } : layer))],
      padding: ["layers", () => (all().every(({ padding }) => padding === all()[0].padding) ? all()[0].padding : ""), (padding) => everywhere((layer) => ({ ...layer, padding }))],
      row: cellPart(0), column: cellPart(1), net_layers: choose("layers"), net_other: choose("other"),
    });
    solveBoth();
    const view = ui.view({ model, el, name: "receptive-field" });
    let width = 600, whole = 600, said;
    // Slow to come by, and the same for any number of channels.
    const sidesOf = (key) => {
      const axes = get(key).map((layer) => layerAxis(layer, 0)), about = JSON.stringify(axes);
      if (curves[key]?.about !== about) curves[key] = { about, sides: sides(axes) };
      return curves[key].sides;
    };
    // What the stack costs at the input sizes 1, 2, ...
    const costs = (key) => {
      const weights = solved[key].rows.map(({ k, c, f }) => (f ? convMacs(1, k, c, f) : 0));
      return sidesOf(key).map((all) => all?.reduce((sum, side, i) => sum + side * side * weights[i], 0));
    };

    const names = Object.fromEntries(Object.keys(DATA.presets).map((name) => [name, W.presets[name] ?? name]));
    const nameOf = (which) => `${"AB"[which]} (${names[net(keys[which])] ?? W.own})`;
    const cellControls = ["row", "column"].map((key) => view.range(key, { min: 0, max: LARGEST - 1 }));
    const wide = (label, ...children) => h("div", { class: "cnnlib-field-wide", tabindex: 0, role: "region", "aria-label": label }, h("table", {}, children));
    const row = (first, cells, tag = "td") => h("tr", {}, h("th", { scope: "row" }, first), cells.map((cell) => h(tag, tag === "th" ? { scope: "col" } : {}, cell)));

    const panels = keys.map((key, which) => {
      const title = h("h3"), sees = h("p", { class: "cnnlib-field-sees", tabindex: -1 }), notes = h("div"), caption = h("caption"), body = h("tbody"), open = new Set(), S = () => solved[key];
      let ruler;
      // An arrow key, or a tap: the output that lies nearest to that place of the input.
      const move = (to) => view.set({ output: to.map((at) => Math.max(0, Math.min(S().size - 1, at))) });
      const tap = ({ target, type, buttons, clientX, clientY }) => {
        const drawing = target.closest("svg"), level = S().levels[drawing?.dataset.level], last = S().levels.at(-1);
        if (!drawing || type !== "click" && !(buttons & 1)) return;
        const { left, top, width: side } = drawing.getBoundingClientRect(), nearest = (place) => Math.round((place - last.place) / last.jump);
        const place = (px) => level.place + Math.floor(px / side * (level.before + level.size + level.after) - level.before) * level.jump;
        move(level ? [nearest(place(clientY - top)), nearest(place(clientX - left))] : [S().cell[0], nearest(ruler(clientX - left))]);
      };
      const picture = h("div", { class: "cnnlib-field-picture", tabindex: 0, role: "group", click: tap, pointermove: tap, keydown(event) {
        const step = ARROWS[event.key];
        if (!step) return;
        event.preventDefault();
        move(S().cell.map((at, axis) => at + step[axis]));
      } });
      const editor = h("details", {}, h("summary", {}, fill(W.edit, { name: "AB"[which] })), layerStack({ view, model, key, label: fill(W.layersOf, { name: "AB"[which] }), types: TYPES,
        most: DATA.most, least: 1 - which, note: (i) => ` → ${S().rows[i]?.o ?? W.noOutput}`, keys: ["n"] }));
      editor.open = !get("other").length;
      const drawSees = ({ levels, lit, cell, size, field }) => {
        const [down, across] = levels[0].inner, block = (cells) => (cells.length ? cells.at(-1) - cells[0] + 1 : 0), count = down.length * across.length, between = block(down) * block(across);
        const zeros = levels.flatMap((level, i) => (lit.some((axis, a) => axis[i].length > level.inner[a].length) ? levelName(S(), i) : []));
        sees.textContent = fill(W.sees, { row: cell[0], column: cell[1], size, rows: span(down), columns: span(across), count: big(count), field }) + (count < between ? fill(W.holes, { all: big(between) }) : "") +
          (zeros[0] ? fill(W.zeros, { levels: zeros.slice(0, 3).join(", ") + (zeros[3] ? " …" : "") }) : W.noZeros);
      };
      const drawNotes = ({ problem, rows }) => {
        const text = [], fixes = [], refused = rows.findIndex(({ s, d }) => s > 1 && d > 1), i = problem + 1;
        const fix = (word, value, values) => fixes.push(ui.button(fill(word, { i, value }), () => { view.set(values); queueMicrotask(() => sees.focus()); }));
        if (i) {
          const { K, room, d, layer } = rows[problem], change = (part) => ({ [key]: get(key).toSpliced(problem, 1, { ...layer, ...part }) }), smaller = Math.floor((room - 1) / d) + 1;
          text.push(fill(W.problem, { i, layer: layerText(layer), K, room }));
          if (room) fix(W.smaller, smaller, { ...change({ kernel_size: smaller }) });
          fix(W.padSame, "", change({ padding: "same" }));
          const n = 1 + sidesOf(key).findIndex((all, before) => all && before >= get("n"));
          if (n) fix(W.larger, n, { n });
        }
        if (refused >= 0) text.push(fill(W.refused, { i: refused + 1 }), STRINGS.common.refused);
        notes.replaceChildren(...text.length ? [h("div", { class: "cnnlib-problem" }, text.join(" "), h("p", {}, fixes))] : [], h("p", { class: "cnnlib-muted" }, W.notes[net(key)] ?? ""));
      };
      const drawTable = ({ n, rows, levels, size, problem, params, macs }) => {
        const focus = [...body.querySelectorAll("button")].indexOf(document.activeElement);
        caption.textContent = fill(W.tableOf, { name: "AB"[which], n, c: get("in_channels") });
        body.replaceChildren(...rows.flatMap((one, i) => {
          const { layer, k, o, f, c, jump, start, field } = one, level = levels[i + 1], why = ui.button("?", () => { open.delete(i) || open.add(i); draw(); }, { "aria-label": fill(W.whyLayer, { i: i + 1 }), "aria-expanded": String(open.has(i)) });
          return [row(`${i + 1} ${layer.type} ${k}×${k}`, [o ? `${o}×${o}×${f ?? c}` : W.noOutput, big(jump), o ? big(start) : "–", `${field}×${field}`, o ? level.inside.join("×") : "–", big(one.params), o ? big(one.macs) : "–", why]),
            open.has(i) && h("tr", { class: "why" }, h("td", { colspan: 9 }, h("dl", {}, reasons(one, level?.first[0], n, level?.inside[0]).map(([what, how]) => h("div", {}, h("dt", {}, what), h("dd", {}, how))))))].filter(Boolean);
        }), row(W.total, [problem === undefined ? `${size}×${size}` : W.noOutput, "", "", "", "", big(params), macs === false ? "–" : big(macs), ""]));
        body.querySelectorAll("button")[focus]?.focus();
      };
      const table = wide(fill(W.tableName, { name: "AB"[which] }), caption, h("thead", {}, row(W.layer, ["output", "jump", "start", "field", "inside", "params", "macs", "why"].map((word) => W[word]), "th")), body), element = h("section", {}, title, sees, notes, picture, editor);
      return { element, table, news: () => notes.querySelector(".cnnlib-problem")?.firstChild.textContent ?? sees.textContent, draw() {
        element.hidden = table.hidden = !get(key).length;
        if (element.hidden) return;
        title.textContent = nameOf(which);
        picture.ariaLabel = fill(W.aria, { name: "AB"[which], size: S().size, row: S().cell[0], column: S().cell[1] });
        if (get("view") === "2-D") picture.replaceChildren(...maps(S(), width));
        else {
          const [drawing, back] = strip(S(), width - 8);
          picture.replaceChildren(drawing);
          ruler = back;
        }
        drawSees(S());
        drawNotes(S());
        drawTable(S());
      } };
    });

    const against = h("tbody"), names2 = h("thead"), size = h("caption"), verdict = h("p"), chart = h("div");
    const compare = h("section", {}, h("h3", {}, W.compare), wide(W.against, size, names2, against), verdict, chart);
    const drawCompare = () => {
      const [A, B] = keys.map((key) => solved[key]), [a, b] = keys.map(costs), n = get("n"), found = costRuns(a, b), titles = [0, 1].map(nameOf);
      const number = (x, digits) => (Number.isFinite(x) ? x.toLocaleString("en", { maximumFractionDigits: digits }) : "–");
      size.textContent = fill(W.atSize, { n });
      names2.replaceChildren(row("", [...titles, W.ratio], "th"));
      against.replaceChildren(...[["field", A.rows.at(-1).field, B.rows.at(-1).field], ["params", A.params, B.params], ["macs", a[n - 1], b[n - 1]], ["perPixel", a[n - 1] / n / n, b[n - 1] / n / n]]
        .map(([word, x, y]) => row(W[word], [number(x, 1), number(y, 1), number(x / y, 2)])));
      verdict.textContent = found.length ? found.slice(0, 5).map(([from, to, sign]) => fill(W[(sign ? "less" : "equal") + (from === to ? "At" : to < LARGEST ? "From" : found[1] ? "On" : "Always")], { from, to, name: titles[+(sign > 0)], other: titles[+(sign < 0)] })).join(" ") + (found.length > 5 ? " …" : "") : W.never;
      // Curves up to half as far again as what is to be seen: the size now and the turns.
      const turns = found.filter(([from, , sign], i) => i && from < 200 && (!sign || found[i - 1][2])).slice(0, 3).map(([from]) => from), X = Math.min(LARGEST, Math.max(16, Math.ceil(1.5 * Math.max(n, ...turns))));
      const most = Math.max(1, ...[a, b].flatMap((one) => one.slice(0, X).filter(Number.isFinite))), right = whole - 20, x = (at) => at / X * right, y = (cost) => 220 - cost / most * 200;
      const line = (one) => one.slice(0, X).reduce((d, cost, i) => (cost === undefined ? d : `${d}${d ? "L" : "M"}${x(i + 1).toFixed(1)} ${y(cost).toFixed(1)}`), "");
      const text = (at, up, what, anchor) => svg("text", { x: at, y: up, "text-anchor": anchor }, what), above = a[X - 1] > b[X - 1] ? 0 : 12;
      chart.replaceChildren(svg("svg", { role: "img", width: right + 20, height: 244, "aria-label": `${W.chart} ${verdict.textContent}` }, [path("axis", `M0 20V220H${right}`), path("now", `M${x(n)} 20V220`), path("a", line(a)), path("b", line(b)),
        turns.flatMap((at) => [svg("circle", { cx: x(at), cy: y(a[at - 1]), r: 5 }), text(x(at), y(a[at - 1]) - 10, `n = ${at}`, "middle")]),
        text(4, 14, fill(W.upTo, { macs: big(most) }), "start"), text(x(n), 236, `n = ${n}`, "middle"), text(right, 236, `${X}`, "end"), text(right + 4, y(a[X - 1] ?? 0) + above, "A", "start"), text(right + 4, y(b[X - 1] ?? 0) + 12 - above, "B", "start")].flat().filter(Boolean)));
    };

    const draw = () => {
      solveBoth();
      cellControls.forEach((control) => { control.querySelector("input").max = solved.layers.size - 1; });
      model.refresh();
      panels.forEach((panel) => panel.draw());
      compare.hidden = !get("other").length;
      if (!compare.hidden) drawCompare();
      const news = `${panels[0].news()} ${compare.hidden ? "" : verdict.textContent}`;
      if (said && news !== said) view.say(news);
      said = news;
    };
    const place = h("div", { class: "cnnlib-field-stacks" }, panels.map((panel) => panel.element));
    el.append(h("div", { class: "cnnlib-controls" }, view.range("n", { max: LARGEST }), view.range("channels", { max: 40, format: () => big(get("in_channels")) }),
      view.range("filters", { max: 40, format: () => { const [low, high] = ends(convs().map((layer) => layer.filters)); return low < high ? `${low}–${high}` : `${low}`; } }), view.choice("padding", { valid: STRINGS.common.modes.valid, same: STRINGS.common.modes.same }),
      view.select("net_layers", { ...names, own: W.own }), view.select("net_other", { none: W.noStack, ...names, own: W.own }), cellControls, view.choice("view", W.views)),
    h("p", { class: "cnnlib-muted" }, W.legend), place, h("div", { class: "cnnlib-field-tables" }, panels.map((panel) => panel.table)), compare);
    view.watch([...keys, "n", "in_channels", "output", "view"], draw);
    const observer = new ResizeObserver(() => {
      const now = [panels[0].element.clientWidth, place.clientWidth];
      if (now[0] && `${now}` !== `${[width, whole]}`) { [width, whole] = now; draw(); }
    });
    [place, panels[0].element].forEach((one) => observer.observe(one));
    return () => { observer.disconnect(); view.dispose(); };
  },
};
