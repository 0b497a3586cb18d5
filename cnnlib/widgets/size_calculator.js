// Layers in a row: every shape on the way; the chosen layer's numbers with their arithmetic, one axis of it drawn;
// the stack's totals and its Keras code; and backwards, every setting of the chosen layer that gives a wanted size.
const W = STRINGS["size-calculator"];
const { h, s: svg, fill, put, same, count, pair, fold, big, python } = ui;
const MOST = { layers: 8, kernel_size: 11, strides: 5, dilation_rate: 4, zeros: 10 };
// A slider of sizes ends there, or at Python's value; a side above LARGEST is not followed.
const SLIDER = 64, LARGEST = 4096;
const TYPES = Object.keys(LAYER_DEFAULTS);
const AXES = Object.values(W.axes);
const upTo = (most) => count(most, (i) => i + 1);
const times = (...values) => values.join("\u00a0×\u00a0");
const inputs = ["n", "in_channels"];
const small = (...children) => h("small", children);

// One axis of a layer. A convolution, or a pool, has a window on its input for each output cell. A transposed one (up)
// has a stamp on its output for each input cell: where the convolution that it turns round has a window. So `side`
// cells lie under `count` windows or stamps of K cells each. Before and after them lies padding, or what is cut off;
// `total` is all of these. o is the output's side, below 1 where there is none.
const axisOf = (L, n, axis) => {
  const [k, s, p, d] = layerAxis(L, axis), K = effectiveKernelSize(k, d), up = L.type === TYPES[3];
  const q = pair(L.output_padding)[axis];
  let o = 0, side = n, before = 0, after = 0, total = (n - 1) * s + K;
  try {
    if (up) side = o = transposedOutputSize(n, k, s, p, q, d);
    [before, after] = padAmounts(side, k, s, p, d);
    total = before + side + after;
    if (!up) o = floor((total - K) / s) + 1;
  } catch { /* a transposed convolution that cannot be: problemOf says why */ }
  return { n, k, s, p, d, q, K, up, o, side, before, after, total, count: up ? n : o };
};
// What Keras, or the input, has against a layer: a key of the words, and their values.
const problemOf = (axes) => {
  const found = (key, test, A = axes.find(test)) =>
    A && [key, { ...A, cells: same(...axes) ? W.cells : AXES[axes.indexOf(A)] }];
  if (axes.some((A) => A.s > 1) && axes.some((A) => A.d > 1)) return ["refused"];
  return found("notBelow", (A) => A.q >= A.s) ?? found(axes[0].up ? "evenSame" : "tooLong", (A) => A.o < 1) ??
    found("tooLarge", (A) => A.o > LARGEST);
};
// Every layer with what it makes of what comes before it. No axes: no input. Not ok: no output.
const solve = (now, c, layers) => layers.map((L) => {
  const axes = now?.map((side, axis) => axisOf(L, side, axis)), outputs = axes?.map((A) => A.o);
  const problem = axes && problemOf(axes), fits = outputs?.every((o) => o > 0), ok = fits && !problem;
  const pool = !L.filters, f = L.filters ?? c, to = fits ? times(...outputs, f) : W.noOutput;
  const row = { L, axes, problem, fits, ok, pool, c, f, to, alike: axes && same(...axes),
    from: axes && times(...now, c), out: ok ? to : W.noOutput,
    params: pool ? 0 : convParams(L.kernel_size, c, f, L.use_bias),
    macs: fits && !pool ? convMacs(axes.map((A) => A.count), L.kernel_size, c, f) : 0 };
  now = ok ? outputs : null;
  c = f;
  return row;
});
// How many windows or stamps each cell is in, and the cells that are in none.
const cellsOf = ({ k, s, p, d, o, side, count }) => {
  const sums = Array(o > 0 ? side : 0).fill(0);
  for (let i = 0; i < count && o > 0; i++) {
    for (const cell of readWindow(side, i, k, s, p, d)) if (cell in sums) sums[cell]++;
  }
  return { sums, missed: [...sums.keys()].filter((cell) => !sums[cell]) };
};

// Rows of [what, value, formula, the formula filled in, remark].
const results = ({ L, axes, alike, fits, pool, c, f, params, macs }) => {
  const each = (alike ? [axes[0]] : axes ?? []).map((A) =>
    ({ ...A, ...cellsOf(A), "p₁": A.before, "p₂": A.after }));
  const mode = layerMode(L) || "explicit", isSame = mode === "same";
  const up = axes?.[0].up, auto = L.output_padding === null;
  const dilated = each.some((A) => A.d > 1), missing = each.some((A) => A.missed[0] >= 0);
  const size = (A) => A.o, outside = (A) => A.before + A.after;
  // What holds on each axis, once where it is the same.
  const told = (show, lead = "") => {
    const values = each.map(show);
    return same(values[0], values.at(-1)) ? lead + values[0]
      : values.map((value, axis) => `${AXES[axis]}: ${value}`).join("\n");
  };
  const filled = (key, result) => {
    const formula = W.formulas[key] ?? "";
    const numbers = (A) => formula.replace(/\b[nkKsodq]\b|p[₁₂]/g, (letter) => A[letter]);
    return [dilated ? formula : formula.replaceAll("K", "k"),
      formula && told((A) => `${numbers(A)} = ${big(result(A))}`, "= ")];
  };
  const product = (key, value, more, ...sides) => [big(value), W.formulas[key] + (more && " + f"),
    `= ${[...sides, ...pair(L.kernel_size), c, f].join("·")}${more} = ${big(value)}`];
  const outputs = fits ? each.map(size).join(" × ") : W.none, edge = up ? "cut" : "pads";
  return [
    dilated && ["reach", told((A) => A.K), ...filled("reach", (A) => A.K)],
    axes && ["output", outputs, ...filled(!up ? mode : fits && `up ${mode}${auto ? "" : " q"}`, size)],
    fits && !up && mode === "valid" && ["ceiling", outputs, ...filled("ceiling", size), W.sameNumber],
    (up ? fits && isSame : axes) && [edge, told((A) => fill(W.sides, A)), ...filled(isSame && edge, outside), [
      W[up ? "cutOdd" : !isSame ? mode : each.some((A) => outside(A) % 2) ? "odd" : "even"],
      W.poolPads[L.type]?.[mode],
    ]],
    fits && up && ["sums", told(({ sums }) => [...new Set([min(...sums), max(...sums)])].join(W.range)),
      ...filled("sums", (A) => ceil(A.k / A.s)), [
        W.most,
        missing && W.holes,
        each.some(({ k, s }) => s > 1 && k > s && k % s) && W.checkerboard,
      ]],
    fits && !up && ["unread", told((A) => A.missed.length || W.none), "", "",
      missing && fill(alike ? W.where : W.whereApart, { cells: told(({ missed }) =>
        missed.slice(0, 9).join(", ") + (missed[9] ? " …" : "") || W.none) })],
    ...pool ? [
      ["params", 0, "", "", W.noWeights],
      ["macs", 0, "", "", fill(W.poolWork[L.type], { kernel: pair(L.kernel_size).join(" × ") })],
    ] : [
      ["params", ...product("params", params, L.use_bias ? ` + ${f}` : "")],
      fits && ["macs", ...product(up ? "up macs" : "macs", macs, "", ...axes.map((A) => A.count)),
        up && W.stampWork],
    ],
  ].filter(Boolean);
};

// Keras code; an argument with its usual value is left out. Zeros are a layer of their own.
const zeroPadding = (padding = "") => {
  const [top, bottom, left, right] = layerPads(padding);
  return top + bottom + left + right === 0 ? "" : `ZeroPadding2D(${
    python(top === bottom && left === right ? fold([top, left]) : [[top, bottom], [left, right]])})`;
};
const kernelName = (L) => (L.filters ? "kernel_size" : "pool_size");
const assigned = (L, values, usual = {}) => entries(values)
  .filter(([key, value]) => !same(value, usual[key]))
  .map(([key, value]) => `${key === "kernel_size" ? kernelName(L) : key}=${python(value)}`).join(", ");
const keras = (rows, n, c) => {
  const layers = rows.flatMap(({ L, pool }) => {
    const usual = { type: L.type, padding: L.padding !== "same" && L.padding, strides: pool ? L.kernel_size : 1,
      dilation_rate: 1, use_bias: true, output_padding: null };
    return [zeroPadding(L.padding), `${L.type}(${assigned(L, L, usual)})`];
  }).filter(Boolean).map((line) => `    layers.${line},\n`).join("");
  const { axes, f } = rows.at(-1), output = python([null, ...axes.map((A) => A.o), f]);
  return fill(W.keras, { input: python([...n, c]), layers, output });
};

// The cells that windows read, or stamps lie on; below them the windows or stamps, in lanes as they overlap; below
// these each output, or input, at the middle of its window or stamp. What is too wide loses its middle to one slot.
const drawing = (A, width) => {
  const { s, d, K, before, total, o, up, side } = A, fits = o > 0, { sums } = cellsOf(A), parts = [];
  const all = max(total, K), room = floor(width / 26), cut = all > room;
  const cell = cut ? width / room : min(32, width / all);
  const left = cut ? room >> 1 : all, right = all - room + left + 1;
  // Where six lanes are not enough the first five windows are drawn, and the last.
  const windows = max(A.count, 1), deep = ceil(K / s), lanes = min(deep, 6, windows);
  const base = cell + lanes * 11 + 10;
  const [cells, others, inner, outer] = up ? [base, 0, "out", "in"] : [0, base, "in", "out"];
  const at = (i) => (i <= left - 1 ? i : i < right ? left : i - all + room), hidden = (i) => at(i) === left;
  const mid = (i) => (at(i) + 0.5) * cell, end = cell - 3, slash = `M3 ${end}L${end} 3`;
  const marks = { pad: slash, skip: `${slash}M3 3L${end} ${end}` };
  const draw = (tag, attributes, ...text) => parts.push(svg(tag, attributes, text));
  const box = (slot, y, kind, text) => draw("g", { class: kind, transform: `translate(${slot * cell} ${y})` },
    svg("rect", { width: end - 1, height: end - 1 }), svg("path", { d: marks[kind] }),
    svg("text", { x: cell / 2, y: cell / 2 + 4 }, text));
  for (let i = 0; i < total && (fits || !up); i++) {
    const index = i - before, pad = index < 0 || index >= side;
    if (hidden(i)) continue;
    box(at(i), cells, pad ? "pad" : sums[index] === 0 ? "skip" : inner, pad ? !up && 0 : index);
    if (up && !pad) draw("text", { x: mid(i), y: base + cell + 10, class: "sum" }, sums[index]);
  }
  for (let j = 0; j < windows; j++) {
    const first = j * s, last = first + K - 1, center = (first + last) / 2;
    const there = (fits || up) && !hidden(center);
    const lane = deep < 7 ? j % lanes : min(j, 5), y = cell + 8 + lane * 11;
    if (there) box(at(center), others, outer, j);
    if (deep > 6 && lane === 5 && j < windows - 1 || hidden(first) && hidden(last)) continue;
    draw("path", { class: fits ? "win" : "bad", d: `M${mid(first)} ${y}H${mid(last)}` });
    if (there) draw("path", { class: "drop", d: `M${mid(center)} ${y}V${up ? cell : base}` });
    for (let tap = first; tap <= last; tap += d) if (!hidden(tap)) draw("circle", { cx: mid(tap), cy: y });
  }
  if (cut) [0, base].forEach((y) => box(left, y, "gap", "⋯"));
  return svg("svg", { role: "img", width, height: fits ? base + cell + 14 : base }, parts);
};

export default {
  render({ model, el }) {
    const view = ui.view({ model, el, name: "size-calculator" }), get = (key) => model.get(key);
    const axis = () => +(get("axis") === "columns");
    const at = () => min(get("current"), get("layers").length - 1);
    const patch = (i, change) => ({
      layers: get("layers").map((L, j) => (j === i ? { ...L, ...change } : L)),
    });
    const solved = ({ n = get("n"), layers = get("layers") } = {}) =>
      solve(pair(n), get("in_channels"), layers);
    let apart, ways, listed, width = 600;

    // Height and width: one slider for both, or two.
    const own = view.controls(ui.parts(model, {
      n: ["n", (n) => pair(n)[0], (side, n) => (apart ? fold([side, pair(n)[1]]) : side)],
      width: ["n", (n) => pair(n)[1], (side, n) => fold([pair(n)[0], side])],
      apart: ["n", (n) => (apart ||= isList(n)), (ticked, n) => {
        apart = ticked;
        queueMicrotask(draw);
        return ticked ? n : pair(n)[0];
      }],
      in_channels: ["in_channels", channelPlace, channelScale],
    }), W);
    const size = (key) => own.range(key, { max: max(SLIDER, ...pair(get("n")), get("target")) });

    // Single changes that mend layer i: of each setting the first of some values that does. A side keeps its own where
    // that is the smaller one (min), or the larger.
    const offers = (i, { L, problem: [key] }) => {
      const values = (change) => (change.n ? change : patch(i, change));
      const tries = key === "tooLong" ? [
        ["kernel_size", upTo(MOST.kernel_size).reverse(), min],
        ["dilation_rate", upTo(MOST.dilation_rate).reverse(), min],
        ["n", upTo(256), max],
        ["padding", ["same"]],
        ["padding", upTo(MOST.zeros)],
      ] : [
        ["output_padding", [4, 3, 2, 1, 0]],
        ["output_padding", [null]],
        ["strides", upTo(MOST.strides)],
        ["dilation_rate", [1]],
        ["padding", ["valid"]],
      ];
      return tries.map(([key, all, meet]) => {
        const change = all.map((value) => ({
          [key]: meet ? fold(pair(L[key] ?? get("n")).map((side) => meet(side, value))) : value,
        })).find((change) => solved(values(change))[i].ok);
        return change &&
          view.mend(zeroPadding(change.padding) || assigned(L, change), () => values(change), head);
      });
    };

    const card = (i) => {
      const { L, ok, out } = solved()[i], [name, ...more] = layerText(L).split(", ");
      return [h("b", `${i + 1} ${name}`), small(more.join(", "), " "),
        h("span", { class: !ok && "bad" }, "→ ", out)];
    };
    const stack = layerStack({ view, model, key: "layers", current: "current", label: W.layers, types: TYPES,
      most: MOST, rectangular: true, card, keys: inputs });
    const [notes, totals, code, found, plain, padded] = ["div", "div", "pre", "p", "ul", "ul"]
      .map((tag) => h(tag));
    const [start, head, picture, table, bottom] = ["input", "head", "axis", "pair", "pair"]
      .map((kind) => h("div", { class: `cnnlib-size-${kind}` }));
    const which = view.choice("axis", W.axes), [first, second] = [size("n"), size("width")];
    stack.firstChild.prepend(start);
    head.tabIndex = -1;
    const codes = h("section", h("p", h("b", W.code), " ", view.copy(() => code.textContent)), code);
    const back = h("section", h("p", h("b", W.backwards)), size("target"), found, plain,
      h("details", h("summary", W.more), padded));

    const tableOf = (all, chosen) => {
      const kinds = ["params", "macs"], heading = (text, scope) => h("th", { scope }, text);
      const sum = (key) => all.reduce((before, row) => before + row[key], 0);
      const share = (row, key) => {
        const percent = round(100 * row[key] / sum(key) || 0);
        return h("td", { style: `--share: ${percent}%` }, big(row[key]), " ", small(`${percent}\u00a0%`));
      };
      return h("table", h("caption", W.totals), h("tr", W.columns.map((word) => heading(word, "col"))),
        all.map((row, i) => h("tr", { class: row === chosen && "on" },
          heading([`${i + 1} ${row.L.type} `, small(row.out)], "row"), kinds.map((key) => share(row, key)))),
        h("tr", heading(W.sum, "row"), kinds.map((key) => h("td", big(sum(key))))));
    };
    const pictureOf = (A, where) => {
      const image = drawing(A, width), [label, caption, outside, crossed] = A.up ? W.stamps : W.windows;
      image.ariaLabel = `${where}${fill(label, A)} ${head.textContent}`;
      return [image, small(caption, A.K / A.s > 6 && A.count > 6 && W.five,
        image.querySelector(".pad") && outside, image.querySelector(".skip") && crossed)];
    };
    const draw = () => {
      const all = solved(), i = at(), row = all[i], { L, axes, alike, from, to } = row, A = axes?.[axis()];
      const lines = results(row), broken = all.findIndex((one) => one.problem);
      const where = alike ?? true ? "" : `${W.axes[get("axis")]}: `;
      const name = (i) => (all[1] ? fill(W.at, { i: i + 1, type: all[i].L.type }) : "");
      let problem;
      put(first.firstChild, apart ? W.height : W.n);
      second.hidden = !apart;
      put(start, all[0].from);
      put(head, name(i), from && `${from} → `, to);
      put(notes);
      codes.hidden = broken >= 0;
      if (broken >= 0) {
        const { problem: [key, values], fits } = all[broken];
        problem = name(broken) + fill(W[key] ?? STRINGS.common[key], values) + (fits ? W.anyway : "");
        put(notes, h("div", { class: "cnnlib-problem" }, problem,
          h("p", W.accepts, offers(broken, all[broken]))));
      } else put(code, keras(all, pair(get("n")), get("in_channels")));
      which.hidden = !where;
      put(picture, A && pictureOf(A, where));
      put(table, lines.map(([key, value, ...notes]) => h("div", { "data-row": key },
        h("div", W[key], h("b", value)), notes.map((note) => h("small", note)))));
      put(totals, all[1] && tableOf(all, row));
      back.hidden = !A;
      if (A) list(L, A, where);
      view.news(problem || name(i) + lines.map(([key, value]) => `${W[key]}: ${value}`).join(". "));
    };

    // Backwards, on one axis; the other one follows where it has the same settings.
    const list = (L, { n, q, up }, where) => {
      const target = get("target"), now = [n, target, L.type];
      if (!same(listed, now)) {
        listed = now;
        // Where the plain convolution leads from `target` to n, the transposed one may lead back.
        ways = ["valid", "same", ...up ? [] : upTo(MOST.zeros)]
          .flatMap((p) => settingsFor(...up ? [target, n] : [n, target], upTo(MOST.kernel_size), upTo(MOST.strides),
            [p], upTo(L.filters ? MOST.dilation_rate : 1)))
          .map((way) => ({ ...way, output_padding: null }))
          .filter((way) => {
            const { o, before, K } = axisOf({ ...L, ...way }, n, 0);
            return o === target && before < K; // else the first window would hold nothing but padding
          });
        const groups = {};
        for (const way of ways) {
          const { padding, strides, dilation_rate } = way;
          const rate = dilation_rate > 1 ? `, dilation_rate=${dilation_rate}` : "";
          (groups[`${zeroPadding(padding) || assigned(L, { padding })}, strides=${strides}${rate}`] ??= []).push(way);
        }
        put(plain);
        put(padded);
        for (const [text, group] of entries(groups)) {
          const kernel = kernelName(L), buttons = group.map((way) => (way.own = view.mend(
            way.kernel_size, () => settle(way), head, `${kernel}=${way.kernel_size}, ${text}`)));
          (group[0].padding > 0 ? padded : plain)
            .append(h("li", h("code", text), h("div", kernel, " ", buttons)));
        }
      }
      put(found, where, fill(ways[0] ? W.ways : W.noWay, { n, target, count: ways.length }));
      for (const way of ways) {
        way.own.ariaPressed = q == null && same(layerAxis(L, axis()), layerAxis(way, 0));
      }
    };
    const settle = (way) => {
      const i = at(), { L, alike } = solved()[i], pads = layerPads(L.padding), change = {};
      const own = { ...L, padding: [pads.slice(0, 2), pads.slice(2)] };
      for (const key in way) if (key in L) {
        change[key] = alike || !(way[key] > 0) ? way[key]
          : fold(pair(own[key]).map((side, j) => (j === axis() ? way[key] : side)));
      }
      return patch(i, change);
    };

    put(bottom, h("div", totals, codes), back);
    el.append(h("div", { class: "cnnlib-controls" }, first, second,
      own.range("in_channels", { max: channelPlace(1024), format: () => get("in_channels") }),
      own.checkbox("apart")), stack, notes, head, which, picture, table, bottom);
    view.watch([...inputs, "layers", "current", "axis", "target"], draw);
    view.fit(picture, (now) => {
      width = now;
      draw();
    });
    return view.dispose;
  },
};
