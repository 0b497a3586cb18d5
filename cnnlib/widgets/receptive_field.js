// A stack of layers on a square image: the field of one output lit through every level, a row of numbers a layer with
// their arithmetic; a second stack to compare with, and the input size at which one becomes cheaper than the other.
// A level is the input (level 0) or the output of a layer. Positions below 0 or from its size on are padding.
const W = STRINGS["receptive-field"], { ARROWS, h, s: svg, fill, big, same, put } = ui;
const LARGEST = 256, KEYS = ["layers", "other"], NETS = Object.keys(DATA.presets);

// "3s64/2": see receptive_field.py
const preset = (name, channels) => DATA.presets[name].split(" ").map((short) => {
  const [, pool, k, p, f, s, d, plain] = short.match(/(m?)(\d+)([vs]?)(\d*)\/?(\d*)d?(\d*)(n?)/);
  const type = pool ? "MaxPooling2D" : "Conv2D", strides = +s || (pool ? +k : 1), padding = p === "s" ? "same" : "valid";
  const layer = { type, ...LAYER_DEFAULTS[type], kernel_size: +k, strides, padding };
  return pool ? layer : { ...layer, filters: +f || channels, dilation_rate: +d || 1, use_bias: !plain };
});

const outside = (at, size) => at < 0 || at >= size;
const square = (side) => (side ? `${side}×${side}` : W.noOutput);
const span = (cells) => (cells.length > 1 ? fill(W.span, { a: cells[0], b: cells.at(-1) }) : `${cells[0] ?? W.none}`);
const few = (texts, most, glue) => texts.slice(0, most).join(glue) + (texts[most] ? " …" : "");
// [first, last] of each run of neighbours
const runs = (cells) => cells.reduce((all, at) => {
  if (all.at(-1)?.[1] === at - 1) all.at(-1)[1] = at;
  else all.push([at, at]);
  return all;
}, []);

// The sides of all levels on an input of n cells, as far as the layers fit.
const sides = (axes, n) => {
  const all = [n];
  try {
    for (const axis of axes) all.push(outputSize(all.at(-1), ...axis));
  } catch { /* geometry refuses a kernel that is too large: the rest has no output */ }
  return all;
};

// Everything about a stack: `levels` that are there; `rows`, one a layer, which hold the level below under its own names
// and the layer's output o, field r, jump j and start t; `problem`, the number of the layer that does not fit.
const solve = (layers, input, channels, output) => {
  const axes = layers.map((layer) => layerAxis(layer, 0)), stack = axes.map(([k, s, p, d]) => [k, s, d, p]);
  const sizes = sides(axes, input), fits = sizes.length - 1, end = sizes[fits];
  const cell = [0, 1].map((axis) => min(output?.[axis] ?? (end - 1) >> 1, end - 1));
  const traces = cell.map((at) => trace(stack.slice(0, fits), input, at));
  const names = layers.map(({ type, kernel_size }, i) => `${i + 1} ${type} ${square(kernel_size)}`);

  const levels = [W.input, ...names].map((name, i) => {
    const size = sizes[i], part = stack.slice(0, i), [field, jump] = receptiveField(part);
    const start = size && receptiveFieldStart(part, input);
    const [before, after] = size && axes[i] ? padAmounts(size, ...axes[i]) : [0, 0]; // that the next layer adds
    const lit = traces.map((positions) => positions[i] ?? []);
    const inner = lit.map((cells) => cells.filter((at) => !outside(at, size))), [rows, columns] = inner.map(span);
    // The field of the middle one of these cells, and how much of it the input has.
    const first = inner.map((cells) => start + cells[(cells.length - 1) >> 1] * jump);
    const inside = first.map((at) => max(0, min(input, at + field) - max(0, at)) || 0);
    // A cell is drawn as wide as the jump, the first one from `left` on.
    return { title: `${name}: ${square(size)}`, size, field, jump, start, before, after, room: size + before + after,
      lit, inner, rows, columns, first, inside, left: start + (field - jump) / 2 };
  });

  const rows = layers.map((layer, i) => {
    const { filters, use_bias } = layer, [k, s, , d] = axes[i], c = channels, f = filters ?? c;
    const { size: o, field: r, jump: j, start: t, first: [a], inside } = levels[i + 1];
    const each = filters ? convMacs(1, k, c, f) : 0, macs = o * o * each;
    const params = filters ? convParams(k, c, f, use_bias) : 0;
    channels = f;
    return { ...layer, ...levels[i], k, s, d, o, r, j, t, c, f, each, params, macs, K: effectiveKernelSize(k, d),
      a, b: a + r - 1, last: input - 1, count: inside[0],
      shown: [o ? `${square(o)}×${f}` : W.noOutput, big(j), big(t), square(r), o ? inside.join("×") : "–", big(params), big(macs)] };
  });
  const [params, macs] = ["params", "macs"].map((key) => rows.reduce((total, row) => total + row[key], 0));
  const { size, field } = levels.at(-1);
  return { axes, names, rows, levels: levels.slice(0, fits + 1), end: levels[fits], cell, problem: size ? 0 : fits + 1,
    total: [square(size), "", "", "", "", big(params), big(macs)], measures: [field, params, macs, macs / input / input] };
};

// The arithmetic of what a row shows.
const reasons = (row) => {
  const kinds = ["covers", !row.o ? "tooSmall" : row.padding === "same" ? "same" : "output", "jump", "start", "field", "inside",
    !row.filters ? "pool" : row.use_bias ? "bias" : "params", row.filters ? "macs" : "pool"];
  return kinds.map((kind, i) => row.shown[i - 1] !== "–" &&
    h("div", h("dt", i ? W.columns[i] : W.covers), h("dd", fill(W.arithmetic[kind], row, big))));
};

// What the output depends on, in words.
const seen = ({ levels, end }) => {
  const { inner: [down, across], rows, columns } = levels[0], area = (side) => side(down) * side(across);
  const count = area((cells) => cells.length), all = area((cells) => cells.at(-1) - cells[0] + 1);
  const zeros = levels.filter(({ lit, inner }) => !same(lit, inner)).map((level) => level.title);
  return fill(W.sees, { ...end, down: rows, across: columns, count: big(count) }) +
    (count < all ? fill(W.holes, { all: big(all) }) : "") +
    (zeros[0] ? fill(W.zeros, { levels: few(zeros, 3, ", ") }) : W.noZeros);
};

const box = (x, y, w, t = w) => `M${x} ${y}h${w}v${t}h${-w}z`;
const path = (kind, d) => d && svg("path", { class: kind, d });
const text = (x, y, what, kind) => svg("text", { x, y, class: kind }, what);
const ends = (all) => [min(...all), max(...all)];

// The cells of a level, 1 by 1, on screen px pixels wide: of the whole map, or flat, of one row. What the output depends
// on is filled, or where it is padding struck through. Cells too small to be told apart are drawn as blocks.
const cells = ({ size, before, after, room, lit: [rows, columns], inner }, px, flat) => {
  const top = flat ? 0 : -before, tall = flat ? 1 : room;
  const blocks = (down, across) => runs(down).flatMap(([y, bottom]) =>
    runs(across).map(([x, right]) => box(x, y, right - x + 1, bottom - y + 1))).join("");
  let grid = "", zeros = "";
  if (px < 4) zeros = blocks(rows, columns);
  else {
    for (let at = -before; at < size + after; at++) grid += `M${at} ${top}v${tall}${flat ? "" : `M${top} ${at}h${room}`}`;
    for (const y of rows) for (const x of columns) {
      if (outside(x, size) || outside(y, size)) zeros += `${box(x, y, 1)}M${x} ${y + 1}l1 -1`;
    }
  }
  return [path("map", box(0, 0, size, flat ? 1 : size)), path("pad", room > size && box(-before, top, room, tall)),
    path("zero", zeros), path("lit", blocks(...inner)), path("grid", grid)];
};

// The 2-D view: a map a level.
const maps = ({ levels, end }, width) => levels.map((level, i) => {
  const { title, before, room } = level, side = (width < 420 ? 84 : levels[10] ? 92 : 120) * (i ? 1 : 1.6);
  return h("figure", { style: `width:${side}px` }, h("figcaption", title), svg("svg", {
    role: "img", viewBox: `${-before} ${-before} ${room} ${room}`, "data-level": i, "aria-label": `${title}, ${fill(W.lit, level)}`,
  }, cells(level, side / room), path("theory", !i && box(end.first[1], end.first[0], end.field))));
});

// The 1-D view: the columns of every level, the output on top. In the group the ruler is the input's cells; what is too
// wide is cut to the surroundings of the field.
const strip = ({ levels, axes }, width) => {
  const above = levels.length - 1, tall = 20, top = (i) => (above - i) * (above > 7 ? 44 : 60) + 18, parts = [], texts = [];
  const x = ({ left, jump }, at) => left + at * jump;
  const whole = ends(levels.flatMap((level) => [x(level, -level.before), x(level, level.size + level.after)]));
  let [low, high] = whole;
  if (width < 16 * (high - low)) {
    const [first, last] = ends(levels.flatMap((level) => level.lit[1].flatMap((at) => [x(level, at), x(level, at + 1)])));
    low = max(low, first - 2);
    high = min(high, last + 2);
  }
  const u = min(34, width / (high - low));
  levels.forEach((level, i) => {
    const { title, size, jump, before, after, inner: [, inner], lit: [, lit] } = level, y = top(i);
    if (i && inner[0] >= 0) {
      const below = levels[i - 1], read = below.lit[1], axis = axes[i - 1], base = y + tall, ground = top(i - 1);
      let ray = "";
      if (inner.length * axis[0] < 150) for (const a of inner) for (const b of readWindow(below.size, a, ...axis)) {
        ray += `M${x(level, a + 0.5)} ${base}L${x(below, b + 0.5)} ${ground}`;
      }
      parts.push(path("cone", `M${x(level, inner[0])} ${base}H${x(level, inner.at(-1) + 1)}` +
        `L${x(below, read.at(-1) + 1)} ${ground}H${x(below, read[0])}z`), path("ray", ray));
    }
    parts.push(svg("g", { transform: `translate(${x(level, 0)} ${y}) scale(${jump} ${tall})` },
      cells({ ...level, lit: [[0], lit], inner: [[0], inner] }, jump * u, true)));
    if (jump * u >= 20) for (let at = -before; at < size + after; at++) {
      const middle = (x(level, at + 0.5) - low) * u;
      if (middle > 0 && middle < width) texts.push(text(middle, y + 14, outside(at, size) ? 0 : at, inner.includes(at) && "on"));
    }
    texts.push(text(0, y - 5, title + (!i && high - low < whole[1] - whole[0] ? W.cut : ""), "from"));
  });
  const label = levels.map(({ title, columns }) => `${title}: ${columns}`).join(". ");
  return svg("svg", { role: "img", width, height: top(0) + 26, "aria-label": label },
    svg("g", { transform: `scale(${u} 1) translate(${-low})` }, parts), texts);
};

// What a stack costs at the input sizes 1, 2, ...; nothing at those that are too small for it.
const costs = ({ axes, rows }) => {
  const found = [];
  for (let n = LARGEST; n; n--) {
    const all = sides(axes, n);
    if (!all[rows.length]) break;
    found[n] = rows.reduce((sum, { each }, i) => sum + each * all[i + 1] ** 2, 0);
  }
  return found;
};
// [from, to, sign of a's cost minus b's], by input size
const costRuns = (a, b) => [-1, 0, 1].flatMap((sign) =>
  runs([...a.keys()].filter((n) => Math.sign(a[n] - b[n]) === sign)).map((run) => [...run, sign])).sort(([m], [n]) => m - n);

// The two costs by input size, up to half as far again as what is to be seen: the size now and the turns.
const chart = (both, n, turns, width, label) => {
  const X = min(LARGEST, max(16, ceil(1.5 * max(n, ...turns))));
  const shown = both.map((cost) => cost.slice(0, X + 1)), [a, b] = shown, most = max(1, ...shown.flat());
  const right = width - 20, x = (at) => at / X * right, y = (cost) => 220 - cost / most * 200, lower = +(a[X] > b[X]);
  return svg("svg", { role: "img", width, height: 244, "aria-label": label },
    path("axis", `M0 20V220H${right}`), path("now", `M${x(n)} 20V220`),
    shown.flatMap((cost, i) => cost[X] >= 0 && [
      path("ab"[i], `M${cost.flatMap((one, at) => `${x(at)} ${y(one)}`).join("L")}`),
      text(right + 4, y(cost[X]) + (i === lower ? 12 : 0), "AB"[i], "from"),
    ]),
    turns.flatMap((at) => [svg("circle", { cx: x(at), cy: y(a[at]), r: 5 }), text(x(at), y(a[at]) - 10, `n = ${at}`)]),
    text(4, 14, fill(W.upTo, { macs: big(most) }), "from"), text(x(n), 236, `n = ${n}`), text(right, 236, X, "to"));
};

export default {
  render({ model: traits, el }) {
    const { explicit, ...modes } = STRINGS.common.modes, solved = {}, net = {}, get = (key) => model.get(key);
    const all = () => KEYS.flatMap(get), filters = () => all().flatMap((layer) => layer.filters ?? []).sort((a, b) => a - b);
    const everywhere = (key, value) => {
      const [layers, other] = KEYS.map((stack) => get(stack).map((layer) => (key in layer ? { ...layer, [key]: value } : layer)));
      traits.set("other", other);
      return layers;
    };
    // A preset goes by its name where that says all: not where it has as many filters as the input has channels.
    const choose = (key) => [key, () => net[key], (name, layers) => ({ none: [], own: layers })[name] ??
      (same(preset(name, 1), preset(name, 2)) ? name : preset(name, get("in_channels")))];
    const cellPart = (axis) => ["output", () => solved.layers.cell[axis], (value) => solved.layers.cell.with(axis, value)];
    // In the page an address may name a preset; what Python and the editor give are layers.
    const expand = (layers) => (typeof layers === "string" ? preset(layers, traits.get("in_channels")) : layers);
    const model = ui.parts(ui.parts(traits, { layers: ["layers", expand], other: ["other", expand] }), {
      channels: ["in_channels", channelPlace, channelScale],
      filters: ["layers", () => channelPlace(filters().at(-1) ?? 1), (i) => everywhere("filters", channelScale(i))],
      padding: ["layers", () => Object.keys(modes).find((mode) => all().every(({ padding }) => padding === mode)),
        (padding) => everywhere("padding", padding)],
      row: cellPart(0), column: cellPart(1), net_layers: choose("layers"), net_other: choose("other"),
    });
    const view = ui.view({ model, el, name: "receptive-field" }), widths = [600, 600];
    let draw = () => {};
    // First of all, since everything is drawn from it.
    view.watch([...KEYS, "n", "in_channels", "output", "view"], () => {
      for (const key of KEYS) {
        solved[key] = solve(...[key, "n", "in_channels", "output"].map(get));
        net[key] = get(key)[0] ? NETS.find((name) => same(get(key), preset(name, get("in_channels")))) ?? "own" : "none";
      }
      draw();
    });

    const nets = { ...fromEntries(NETS.map((name) => [name, name])), ...W.nets };
    const titles = () => KEYS.map((key, which) => `${"AB"[which]} (${nets[net[key]]})`);
    const cellControls = ["row", "column"].map((key) => view.range(key, { min: 0 }));
    const wide = (label, table) => h("div", { class: "cnnlib-field-wide", tabindex: 0, role: "group", "aria-label": label }, table);
    const row = (first, cells) => h("tr", h("th", { scope: "row" }, first), cells.map((cell) => h("td", cell)));
    const show = (table, caption, words, rows) => put(table, h("caption", caption),
      h("thead", h("tr", words.map((word) => h("th", { scope: "col" }, word)))), h("tbody", rows));
    const [place, tables] = ["stacks", "tables"].map((kind) => h("div", { class: `cnnlib-field-${kind}` }));

    // Builds a stack's picture, notes, editor and table; returns what draws them, and gives what is to be told.
    const drawPanels = KEYS.map((key, which) => {
      const S = () => solved[key], say = (words, more) => fill(words, { name: "AB"[which], ...more }), open = new Set();
      const title = h("h3"), sees = h("p", { class: "cnnlib-field-sees", tabindex: -1 }), notes = h("div");
      const table = h("table"), numbers = wide(say(W.tableName), table);
      // An arrow key, or a tap: the output that lies nearest to that place of the input.
      const move = (to) => view.set({ output: to.map((at) => max(0, min(S().end.size - 1, at))) });
      const tap = ({ target, type, buttons, clientX, clientY }) => {
        const drawing = target.closest("svg"), { levels, end, cell } = S();
        if (!drawing || type !== "click" && !(buttons & 1)) return;
        const at = new DOMPoint(clientX, clientY).matrixTransform(drawing.firstChild.getScreenCTM().inverse());
        const { level } = drawing.dataset, { left, jump } = levels[level ?? 0];
        const nearest = (i) => floor((left + i * jump - end.left) / end.jump);
        move([level ? nearest(at.y) : cell[0], nearest(at.x)]);
      };
      const picture = h("div", { class: "cnnlib-field-picture", tabindex: 0, role: "group", click: tap, pointermove: tap, keydown(event) {
        const step = ARROWS[event.key];
        if (!step) return;
        event.preventDefault();
        move(S().cell.map((at, axis) => at + step[axis]));
      } });
      const editor = layerStack({ view, model, key, label: say(W.layersOf), types: Object.keys(LAYER_DEFAULTS).slice(0, 3),
        most: DATA.most, least: 1 - which, note: (i) => ` → ${S().rows[i]?.o ?? W.noOutput}`, keys: ["n"] });
      const section = h("section", title, sees, notes, picture,
        h("details", { open: !get("other")[0] && "" }, h("summary", say(W.edit)), editor));
      place.append(section);
      tables.append(numbers);

      // What does not fit, and the single changes that mend it; what Keras refuses.
      const drawNotes = ({ rows, axes, problem: i }) => {
        const refused = 1 + rows.findIndex(({ s, d }) => s > 1 && d > 1), said = [], fixes = [];
        if (i) {
          const layer = get(key)[i - 1], { room, d } = rows[i - 1], k = floor((room - 1) / d) + 1;
          const change = (part) => ({ [key]: get(key).with(i - 1, { ...layer, ...part }) });
          const mend = (words, value, values) => view.mend(fill(words, { i, value }), () => values, sees);
          let n = get("n");
          while (n <= LARGEST && !sides(axes, n)[rows.length]) n++;
          said.push(fill(W.problem, { ...rows[i - 1], i, layer: layerText(layer) }));
          fixes.push(mend(W.smaller, k, change({ kernel_size: k })), mend(W.padSame, "", change({ padding: "same" })),
            n <= LARGEST && mend(W.larger, n, { n }));
        }
        if (refused) said.push(fill(W.refused, { i: refused }), STRINGS.common.refused);
        put(notes, said[0] && h("div", { class: "cnnlib-problem" }, said.join(" "), h("p", fixes)),
          h("p", { class: "cnnlib-muted" }, W.notes[net[key]]));
        return said.join(" ");
      };
      // Two rows a layer, its numbers and their arithmetic, and the total; only what changes is written.
      const drawTable = ({ names, rows, total }) => {
        const all = table.rows;
        if (all.length !== 2 * rows.length + 2) show(table, "", W.columns, [...rows.flatMap((_, i) => [
          row("", [...total, ui.button("?", () => { open.delete(i) || open.add(i); draw(); }, { "aria-label": fill(W.whyLayer, { i: i + 1 }) })]),
          h("tr", { class: "why" }, h("td", { colspan: 9 })),
        ]), row("", [...total, ""])]);
        put(table.caption, say(W.tableOf, { n: get("n"), c: get("in_channels") }));
        [...rows, { shown: total }].forEach((one, i) => {
          const { cells } = all[2 * i + 1], why = all[2 * i + 2];
          [names[i] ?? W.total, ...one.shown].forEach((text, j) => { cells[j].textContent = text; }); // a browser leaves the same text alone
          if (!why) return;
          cells[8].firstChild.ariaExpanded = !(why.hidden = !open.has(i));
          put(why.firstChild, open.has(i) && h("dl", reasons(one)));
        });
      };
      return () => {
        section.hidden = numbers.hidden = !get(key)[0];
        if (section.hidden) return "";
        const said = seen(S());
        put(title, titles()[which]);
        put(sees, said);
        picture.ariaLabel = say(W.aria, S().end);
        put(picture, (get("view") === "2-D" ? maps : strip)(S(), widths[0]));
        drawTable(S());
        return drawNotes(S()) || said;
      };
    });

    const facts = h("table"), verdict = h("p"), curves = h("div");
    const compare = h("section", h("h3", W.compare), wide(W.against, facts), verdict, curves);
    const drawCompare = () => {
      const both = KEYS.map((key) => solved[key]), stacks = titles(), n = get("n");
      const cost = both.map(costs), found = costRuns(...cost);
      show(facts, W.against, [fill(W.atSize, { n }), ...stacks, W.ratio], W.measures.map((word, i) => {
        const [a, b] = both.map(({ measures }) => measures[i]);
        return row(word, [big(a, 1), big(b, 1), big(a / b, 2)]);
      }));
      const said = few(found.map(([from, to, sign]) => {
        const where = from === to ? "At" : to < LARGEST ? "From" : found[1] ? "On" : "Always";
        return fill(W[(sign ? "less" : "equal") + where], { from, to, name: stacks[+(sign > 0)], other: stacks[+(sign < 0)] });
      }), 5, " ") || W.never;
      const turns = found.filter(([from, , sign], i) => i && from < 200 && (!sign || found[i - 1][2])).map(([from]) => from);
      put(curves, chart(cost, n, turns.slice(0, 3), widths[1], `${W.chart} ${said}`));
      put(verdict, said);
      return said;
    };

    draw = () => {
      for (const control of cellControls) control.querySelector("input").max = solved.layers.end.size - 1;
      model.refresh();
      const [news] = drawPanels.map((drawPanel) => drawPanel());
      compare.hidden = !get("other")[0];
      view.news(`${news} ${compare.hidden ? "" : drawCompare()}`);
    };
    el.append(h("div", { class: "cnnlib-controls" },
      view.range("n", { max: LARGEST }), view.range("channels", { max: 40, format: () => big(get("in_channels")) }),
      view.range("filters", { max: 40, format: () => [...new Set([filters()[0], filters().at(-1)])].join("–") }),
      view.choice("padding", modes), view.select("net_layers", nets), view.select("net_other", { none: W.noStack, ...nets }),
      cellControls, view.choice("view", W.views)),
    h("p", { class: "cnnlib-muted" }, W.legend), place, tables, compare);
    draw();
    [place.firstChild, place].forEach((element, i) => view.fit(element, (width) => { widths[i] = width; draw(); }));
    return view.dispose;
  },
};
