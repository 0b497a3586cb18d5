// A whole CNN as a list of rows: what each makes of what it reads, bars that compare them, totals; the chosen row's
// settings and arithmetic below it; what does not fit and what mends it; the Keras code. The rows, their arithmetic and
// the code are the twin of network_rows.py, where their form is explained.
const W = STRINGS["network-designer"], S = { ...STRINGS.stack, ...W }, { h, put, fill, same, pair, fold, big, python, button } = ui;
const { types: TYPES, most: MOST, blocks: BLOCKS, presets: PRESETS } = DATA;
const SIDES = ["kernel_size", "strides", "dilation_rate"], COLUMNS = Object.keys(W.columns);
const isBlock = (L) => L.type === "InceptionUnit" || L.type === "ResidualBlock";
const isJoin = ({ type }) => type === "Add" || type === "Concatenate";
const isPool = ({ type }) => /^[MA].*P/.test(type), typeOf = (L) => L.class ?? L.type;
const product = (list) => list.reduce((all, one) => all * one, 1), sum = (list) => list.reduce((all, one) => all + one, 0);
const times = (list) => list.map((one) => big(one)).join("×");
const one = (list) => (new Set(list).size > 1 ? list : list[0]), text = (value) => times([value].flat());
const complete = (row) => ((kind) => ({ type: kind, ...TYPES[kind], ...row.type && row }))(row.type ?? row);
const expand = (L) => BLOCKS[L.shortcut ? `${L.type} ${L.shortcut}` : L.type].map((part) =>
  complete(part.type ? fromEntries(entries(part).map(([key, value]) => [key, L[value] ?? value])) : part));
// What an address says of places is not trusted: none that comes later counts.
const reads = (L, i) => {
  const all = L.inputs?.filter((place) => place < i) ?? [i - 1];
  return all[0] === undefined && L.type !== "Fixed" ? [i - 1] : all;
};

// --- arithmetic: see network_rows.py. A tensor is { shape, field, place }, field a [start, size, jump] an axis, or null.
const fail = (...problem) => { throw problem; };
// Keras spreads sides of 1, and a shorter shape over the last sides of a longer one.
const added = (a, b) => (a.length < b.length ? added(b, a) : a.map((side, i) => {
  const other = b[i - a.length + b.length] ?? 1;
  return side === other || other === 1 ? side : side === 1 ? other : fail("Add", { a: times(a), b: times(b) });
}));
const needMap = (shape) => shape.length === 3 || fail("map", { shape: times(shape) });
function joined(taken) {
  const fields = taken.map(({ field }) => field);
  if (!fields[0] || !fields.every((field) => field && same(field.map((axis) => axis[2]), fields[0].map((axis) => axis[2])))) return null;
  return fields[0].map(([, , jump], axis) => {
    const first = min(...fields.map((field) => field[axis][0]));
    return [first, max(...fields.map((field) => field[axis][0] + field[axis][1])) - first, jump];
  });
}
// What one layer makes of tensors: shape, field, weights that are trained, weights that are not, MACs; the factors of both.
function oneLayer(L, taken, classes) {
  const { type: kind, use_bias: bias } = L, shapes = taken.map(({ shape }) => shape), [{ shape, field } = {}] = taken;
  const c = shape?.at(-1), give = (shape, field = null, trained = 0, still = 0, macs = 0, factors = [], work = []) =>
    ({ shape, field, trained, still, macs, factors, work });
  if (kind === "Fixed") {
    if (L.shape ? !same(shapes, L.seen) : !shape) fail("fixed", { seen: L.seen.map(times).join(", "), shape: shapes.map(times).join(", ") });
    const from = joined(taken), window = from?.length === L.window?.length && L.window;
    return give(L.shape ?? shape, window ? from.map(([a, size, j], axis) => {
      const [begin, grown, step] = window[axis];
      return [a + begin * j, size + (grown - 1) * j, j * step];
    }) : null, L.trainable_params, L.params - L.trainable_params, L.macs);
  }
  if (isJoin(L)) {
    if (!shapes[1]) fail("alone");
    const cut = (one) => `${one.slice(0, -1)}`, other = kind !== "Add" && shapes.find((one) => one.length !== shape.length || cut(one) !== cut(shape));
    if (other) fail(kind, { a: times(shape), b: times(other) });
    return give(kind === "Add" ? shapes.reduce(added) : [...shape.slice(0, -1), sum(shapes.map((one) => one.at(-1)))], joined(taken));
  }
  if (kind.endsWith("2D") || c === undefined && (kind === "Dense" || kind === "BatchNormalization")) needMap(shape);
  if (L.strides) {
    const out = [], fields = [], kernel = pair(L.kernel_size), axes = [0, 1].map((axis) => layerAxis(L, axis));
    if (axes.some(([, s]) => s > 1) && axes.some(([, , , d]) => d > 1)) fail("refused");
    axes.forEach(([k, s, p, d], axis) => {
      const n = shape[axis], K = effectiveKernelSize(k, d);
      if (p === "valid" && K > n) fail("window", { K, n });
      out.push(outputSize(n, k, s, p, d));
      if (field) {
        const [start, size, jump] = field[axis];
        fields.push([start - padAmounts(n, k, s, p, d)[0] * jump, size + (K - 1) * jump, jump * s]);
      }
    });
    const now = field && fields, f = L.filters ?? c;
    if (isPool(L)) return give([...out, c], now);
    const weights = L.filters ? [...kernel, c, f] : [...kernel, c];
    return give([...out, f], now, product(weights) + bias * f, 0, product(out) * product(weights),
      [weights, bias && [f]], [[...out, ...weights]]);
  }
  if (kind[0] === "G") return give([c]); // global pooling
  switch (kind) {
    case "ZeroPadding2D": {
      const [t, b, l, r] = layerPads(L.padding);
      return give([shape[0] + t + b, shape[1] + l + r, c], field?.map(([a, size, j], axis) => [a - [t, l][axis] * j, size, j]));
    }
    case "Flatten": return give([product(shape)]);
    case "Dense": {
      const units = L.units ?? classes, places = shape.slice(0, -1);
      return give([...places, units], field, c * units + bias * units, 0, product(places) * c * units,
        [[c, units], bias && [units]], [[...places, c, units]]);
    }
    case "BatchNormalization":
      return give(shape, field, ...batchNormParams(c, L.scale, L.center), 0, [[c, 2 + L.scale + L.center]]);
    default: return give(shape, field);
  }
}
// A row a layer: what it reads, its tensor (null: none) and numbers; a block's `inner` rows; `problem`, [key, values],
// or [] where something that it reads has no output. `leaves`: [bytes, places read] of every layer, and of the input.
function solve(layers, first, classes, leaves) {
  const rows = [], names = new Map();
  layers.forEach((L, i) => {
    const from = reads(L, i), taken = from.map((place) => (place < 0 ? first : rows[place].tensor)), begin = leaves.length;
    const row = { L, from, taken, tensor: null };
    try {
      if (taken.includes(null)) fail();
      const known = L.type === "Shared" ? L.name && names.get(L.name) || fail("shared", { name: L.name ?? "" }) : L;
      if (isBlock(L)) {
        needMap(taken[0].shape);
        row.inner = solve(expand(L), taken[0], classes, leaves);
        const bad = row.inner.find(({ problem }) => problem);
        if (bad) fail(bad.problem[0], { ...bad.problem[1], inside: fill(W.inBlock, { i: row.inner.indexOf(bad) + 1, type: bad.L.type }) });
        for (const key of ["params", "trained", "macs", "memory"]) row[key] = sum(row.inner.map((one) => one[key]));
        row.tensor = row.inner.at(-1).tensor;
      } else {
        const { shape, field, trained, still, macs, ...why } = oneLayer(known, taken, classes), own = L.type === "Shared" ? 0 : 1;
        const memory = shape[0] ? 4 * product(shape) : 0;
        Object.assign(row, why, { macs, memory, params: own * (trained + still), trained: L.trainable === false ? 0 : own * trained,
          tensor: { shape, field, place: begin } });
        leaves.push([memory, taken.map(({ place }) => place)]);
      }
    } catch (error) {
      if (error instanceof Error) throw error;
      leaves.length = begin;
      row.problem = error;
    }
    if (L.type !== "Shared" && !isBlock(L) && !names.has(L.name)) names.set(L.name, L);
    rows.push(row);
  });
  return rows;
}
// The most bytes that have to be there at one time.
function peak(leaves) {
  const last = [], ends = leaves.map(() => []);
  leaves.forEach(([, places], i) => places.forEach((place) => { last[place] = i; }));
  last.forEach((i, place) => ends[i].push(place));
  let held = 0, most = 0;
  leaves.forEach(([size], i) => {
    held += size;
    most = max(most, held);
    for (const place of ends[i]) held -= leaves[place][0];
  });
  return most;
}

// --- code
// Further arguments, as far as they are names with numbers, words, lists of them: an address may say anything.
const further = (L) => {
  try {
    return L.arguments && fromEntries(entries(JSON.parse(L.arguments)).filter(([key, value]) => /^[a-z_]\w*$/i.test(key) && /^["\w ,.+[\]-]*$/.test(JSON.stringify(value))));
  } catch { /* not JSON */ }
};
const written = (value) => (value === 1 / 255 ? "1 / 255" : python(value));
// The arguments that a row gives to Keras, as code; those with Keras's own value are left out.
function given(L, classes) {
  const first = DATA.positional[L.type] ?? [], usual = { ...TYPES[L.type], ...isPool(L) && { strides: L.kernel_size } }, named = {};
  if (L.type !== "Fixed") for (const key in usual) if (!first.includes(key) && !same(L[key], usual[key])) named[key] = L[key];
  Object.assign(named, L.trainable === false && { trainable: false }, further(L), L.name && !isBlock(L) && { name: L.name.replace(/[^A-Za-z0-9_.-]/g, "_") });
  return [...first.map((key) => written(L[key] ?? classes)), ...entries(named).map(([key, value]) => `${key}=${written(value)}`)].join(", ");
}
const called = (name) => name.replace(/\W/g, "_").replace(/^(?=\d|$)/, "_"), listed = (all) => (all[1] ? `[${all.join(", ")}]` : all[0]);
function keras(layers, shape, classes) {
  const from = layers.map(reads), read = layers.map(() => []), names = { "-1": "inputs" }, inputs = ["inputs"], lines = [];
  from.forEach((places, i) => places.forEach((place) => read[place]?.push(i)));
  const ends = [...layers.keys()].filter((i) => !read[i][0] && !same(layers[i].shape, []));
  const again = new Set(layers.flatMap(({ type, name }) => (type === "Shared" ? name : [])));
  layers.forEach((L, i) => {
    const own = `x${i + 1}`, after = from[i].map((place) => names[place]), values = given(L, classes), kind = called(typeOf(L));
    const mine = L.type === "Fixed" && L.arguments === undefined && kind !== "InputLayer", layer = `layer_${called(L.name ?? "")}`;
    const what = isJoin(L) ? `[${after.join(", ")}]` : listed(after) ?? "[]";
    let note = mine ? `  # ${W.ownLayer}` : "", maker = `${mine ? "" : "layers."}${kind}(${values})`, call;
    names[i] = read[i].some((j) => j > i + 1) || ends.includes(i) && i !== ends.at(-1) ? own : "x";
    if (same(L.shape, [])) return;
    if (isBlock(L)) call = `${L.type.replace(/(?!^)(?=[A-Z])/g, "_").toLowerCase()}(${[what, ...values ? [values] : []].join(", ")})`;
    else if (L.type === "Shared") call = `${layer}(${what})`;
    else if (kind === "InputLayer") {
      inputs.push(names[i] = own);
      call = `keras.Input(${python(L.shape)})`;
    } else {
      if (again.delete(L.name)) {
        lines.push(`${layer} = ${maker}${note}`);
        maker = layer;
        note = "";
      }
      call = `${maker}(${what})`;
    }
    lines.push(`${names[i]} = ${call}${note}`);
  });
  const heads = entries(DATA.code).flatMap(([kind, own]) => (layers.some(({ type }) => type === kind) ? ["", ...own, ""] : []));
  return ["import keras", "from keras import layers", "", ...heads, ...heads.slice(0, 1), `inputs = keras.Input(${python(shape)})`, ...lines,
    `model = keras.Model(${listed(inputs)}, ${listed(ends[0] >= 0 ? ends.map((i) => names[i]) : ["inputs"])})`].join("\n");
}

// --- words
const bytes = (number) => {
  const unit = floor(Math.log10(number || 1) / 3);
  return `${big(number / 1000 ** unit, 1)} ${W.byteUnits[unit]}`;
};
// What a layer is, as its Keras arguments have it.
const details = (L, from, classes) => [L.type === "Shared" ? fill(W.again, L) : given(L, classes).replaceAll('"', ""),
  L.inputs && fill(W.readsRows, { rows: from.map((place) => (place < 0 ? W.input : place + 1)).join(", ") })].filter(Boolean).join(", ");
const sumText = (products, result) => {
  const all = products.filter(Boolean).map((factors) => factors.map((one) => big(one)).join("·")).join(" + ");
  return !all || all === big(result) ? big(result) : `${all} = ${big(result)}`;
};
// [what, arithmetic] of what a row shows.
function reasons({ L, taken: [read], tensor, inner, params, trained, macs, memory, factors = [], work = [] }, batch) {
  if (!tensor) return [];
  const { shape, field } = tensor, before = read?.field, values = [];
  // What holds on each axis, once where it is the same.
  if (L.kernel_size) {
    const each = (words) => [...new Set([0, 1].map((i) => {
      const [k, s, , d] = layerAxis(L, i), [, size, j] = before?.[i] ?? [];
      return fill(words, { n: read.shape[i], o: shape[i], K: effectiveKernelSize(k, d), s, j, size, r: field?.[i][1] }, big);
    }))].join("; ");
    values.push(["output", each(W[L.padding])], ...field ? [["receptive_field", each(W.field)]] : []);
  }
  const parts = (key, own) => (inner ? inner.map((one) => [one[key]]).filter(([value]) => value) : own);
  const text = sumText(parts("params", factors), params);
  return [...values, ["params", trained < params ? fill(W.trained, { text, trained: big(trained) }) : text],
    ["macs", macs === null ? W.unknown : sumText(parts("macs", work), macs)],
    ["memory", fill(W.bytes, { text: sumText([[batch, ...inner ? [memory] : [...shape, 4]]], batch * memory) })]];
}

export default {
  render({ model: traits, el }) {
    const named = fromEntries(entries(PRESETS).map(([name, rows]) => [name, rows.map(complete)]));
    const texts = entries(named).map(([name, rows]) => [name, JSON.stringify(rows)]), opened = new Set();
    // In the page an address may name a preset; what Python and this calculator give are rows.
    const get = (key) => traits.get(key), net = () => named[get("layers")] ?? get("layers");
    const within = (i, layers = net()) => max(0, min(i, layers.length - 1)), at = () => within(get("current")), layer = () => net()[at()];
    let rows, drawn, which;
    const input = (n = get("n")) => ({ shape: [...pair(n), get("in_channels")], field: [[0, 1, 1], [0, 1, 1]], place: 0 });
    const solved = ({ layers = net(), n } = {}, leaves = []) => {
      leaves.push([4 * product(input(n).shape), []]);
      return solve(layers, input(n), get("classes"), leaves);
    };
    const firstBad = (all) => all.findIndex(({ problem }) => problem);

    // --- changing the net
    const tidy = (layers) => layers.map((L, i) => {
      const { inputs, ...rest } = L, kept = reads(L, i);
      return !inputs ? L : same(kept, [i - 1]) ? rest : { ...rest, inputs: kept };
    });
    const changed = (part, i = at()) => tidy(net().with(i, { ...net()[i], ...part }));
    // The net in another order: old places, or rows that are new. `also`: new places of rows that are gone.
    const arranged = (order, also = []) => {
      const old = net(), places = new Map([...order.map((from, to) => [from, to]), ...also]);
      const moved = (from) => (from < 0 ? -1 : places.get(from) ?? moved(reads(old[from], from)[0] ?? -1));
      return tidy(order.map((from) => {
        const L = old[from], gone = !places.has(from - 1) && !(L && isJoin(L)) && old[from - 1]?.inputs?.slice(0, 1);
        return !L ? from : L.inputs || gone ? { ...L, inputs: (L.inputs ?? gone).map(moved) } : L;
      }));
    };
    const keys = () => [...net().keys()], without = (i) => arranged(keys().toSpliced(i, 1));
    const copied = (i) => {
      const { name, inputs, ...L } = net()[i];
      return inputs?.[1] >= -1 ? { ...L, inputs: [i, ...inputs.slice(1)] } : L;
    };
    const takenApart = (i) => {
      const [source] = reads(net()[i], i), inner = expand(net()[i]);
      return arranged(keys().toSpliced(i, 1, ...inner.map((L, j) => (L.inputs || !j
        ? { ...L, inputs: reads(L, j).map((place) => (place < 0 ? source : place + i)) } : L))), [[i, i + inner.length - 1]]);
    };
    const retyped = (L, kind) => {
      const now = { type: kind, ...TYPES[kind] }, [first, ...more] = reads(L, at());
      for (const key in TYPES[kind]) if (typeof L[key] === typeof now[key]) now[key] = L[key];
      // A join needs a second input: the last one of the same shape.
      const other = () => rows.findLastIndex((row, j) => j < first && same(row.tensor?.shape, (rows[first]?.tensor ?? input()).shape));
      return { ...now, inputs: !isJoin(now) ? [first] : [first, ...more[0] === undefined ? [other()] : more] };
    };

    // --- controls: the net, and the parts of the chosen row
    const part = (key, read = (value) => value, write = (value) => value) => ["layers", () => read(layer()[key]),
      (value) => changed({ [key]: write(value) })];
    const scales = (key) => part(key, (value) => channelPlace(value ?? 1), channelScale);
    const table = {
      type: ["layers", () => layer().type, (kind) => tidy(net().with(at(), retyped(layer(), kind)))],
      filters: scales("filters"), units: scales("units"), asClasses: part("units", (value) => value === null, (yes) => (yes ? null : get("classes"))),
      zeros: part("padding", (value) => layerPads(value ?? 0)[0]), mode: part("padding"), scaling: part("scale"),
      trainable: ["layers", () => layer().trainable ?? true, (yes) => {
        const { trainable, ...L } = layer();
        return net().with(at(), yes ? L : { ...L, trainable: false });
      }],
      // Height and width go together as long as they are the same.
      n: ["n", (n) => pair(n)[0], (side, n) => (n[1] ? fold([side, n[1]]) : side)], width: ["n", (n) => pair(n)[1], (side, n) => fold([pair(n)[0], side])],
      net: ["layers", () => which, (name, now) => (name === "own" ? now : named[name])],
    };
    for (const key of ["activation", "shortcut", "use_bias", "rate", "center"]) table[key] = part(key);
    for (const key of SIDES) table[key] = part(key, (value) => pair(value ?? 1)[0]);
    for (const key of ["in_channels", "classes", "batch_size"]) table[key] = [key, channelPlace, channelScale];
    const model = ui.parts(traits, table), view = ui.view({ model, el, name: "network-designer" }), own = view.controls(model, S);
    const controls = (...all) => h("div", { class: "cnnlib-controls" }, ...all), lists = (all) => fromEntries(all.map((word) => [word, W.names[word] ?? word]));
    const scaled = (key, max, read = get) => own.range(key, { max: channelPlace(max), format: () => big(read(key)) });
    const ofLayer = (key) => layer()[key] ?? get("classes"), { explicit, ...modes } = STRINGS.common.modes;
    // Each with what it is for: a key of a row, or a test.
    const settings = [
      [own.select("type", lists(Object.keys(TYPES).slice(0, -2))), (L) => isBlock(L) || !/^[SF][hi]/.test(L.type)],
      [scaled("filters", 2048, ofLayer), "filters"], [scaled("units", 4096, ofLayer), (L) => L.units],
      ...SIDES.map((key) => [own.range(key, { max: key === SIDES[0] ? 11 : 5, format: () => pair(layer()[key] ?? 1).slice(0, 1 + isList(layer()[key])).join("×") }), key]),
      [own.range("zeros", { min: 0, max: 10 }), (L) => L.type === "ZeroPadding2D"],
      [own.range("rate", { min: 0, max: 0.95, step: 0.05 }), "rate"], [own.choice("mode", modes), (L) => layerMode(L)],
      [own.select("activation", lists(DATA.activations)), "activation"], [own.select("shortcut", lists(DATA.shortcuts)), "shortcut"],
      [own.checkbox("use_bias"), "use_bias"], [own.checkbox("asClasses"), "units"], [own.checkbox("scaling"), "center"], [own.checkbox("center"), "center"],
      [own.checkbox("trainable"), (L) => "use_bias" in L || "center" in L],
    ];

    // --- the chosen row's settings, in a row of their own below it
    const act = (name, able, make, step, there = () => true) => [there, able, button(S[name], () => {
      const i = at(), before = net().length;
      if (!able()) return view.say(S[`${name}Not`], true);
      opened.clear();
      const layers = make(i);
      view.set({ layers, current: within(i + step, layers) });
      view.say(fill(S[`${name}Done`], { i: at() + 1, count: layers.length, layer: layer().type, more: layers.length - before + 1 }), true);
    }, { title: S[`${name}Title`] })];
    const swapped = (step) => (i) => arranged(keys().toSpliced(i, 1).toSpliced(i + step, 0, i));
    const acts = [
      act("add", () => net().length < MOST.layers, (i) => arranged(keys().toSpliced(i + 1, 0, copied(i))), 1), act("remove", () => net()[1], without, 0),
      act("earlier", () => at() > 0, swapped(-1), -1), act("later", () => at() < net().length - 1, swapped(1), 1),
      act("takeApart", () => true, takenApart, 0, isBlock),
    ], [, remove, earlier, later] = acts.map(([, , own]) => own);
    const title = h("b"), why = h("dl"), readers = controls();
    const editor = h("tr", { class: "edit" }, h("td", { colspan: 8 }, h("div", { role: "group", "aria-label": S.acts },
      h("p", title), h("div", { class: "cnnlib-stack-acts" }, acts.map(([, , own]) => own)), controls(settings.map(([element]) => element)), readers, why)));

    // --- the table. A line is kept for each place, and only what is another than before is written.
    const lines = [], write = (node, text) => { if (node.shown !== text) node.textContent = node.shown = text; };
    const choose = (i) => view.set({ current: within(i) });
    const toggle = (i) => {
      opened.delete(i) || opened.add(i);
      draw();
    };
    const body = h("tbody", { keydown(event) {
      const { target, key, altKey } = event, step = { ArrowUp: -1, ArrowDown: 1, Home: -9999, End: 9999 }[key];
      if (target !== lines[at()].head) return;
      if (key === "Delete") remove.click();
      else if (!step) return;
      else if (altKey) (step < 0 ? earlier : later).click();
      else choose(at() + step);
      event.preventDefault();
      queueMicrotask(() => lines[at()].head.focus());
    } });
    const line = (kind, head) => {
      const words = ["b", "small", "small"].map((tag) => h(tag)), cells = COLUMNS.map((key) => h("td", { "data-key": key })), bar = h("span");
      head.append(...words.flatMap((word) => [word, " "]));
      const th = h("div", head);
      return { head, th, words, cells, bar, tr: h("tr", { class: kind }, h("th", { scope: "row" }, th), cells.slice(1), h("td", { class: "share" }, bar)) };
    };
    const newLine = (i) => {
      const own = line("", button("", () => choose(i)));
      own.th.append(own.fold = button("", () => toggle(i), { class: "cnnlib-button fold" }));
      return { ...own, inner: [] };
    };
    // What a line shows of a row; `all` and `most` are the sum and the largest of what the bars show.
    const fillLine = ({ words, cells, bar, tr }, row, name, more, key, all, most) => {
      const { tensor } = row, size = tensor?.field?.map((axis) => axis[1]), sides = input().shape, seen = key === "receptive_field";
      const output = tensor ? times(tensor.shape) || W.none : row.problem[0] ? W.noOutput : W.waits;
      [name, more, `→ ${output}`].forEach((text, i) => write(words[i], text));
      ["", output, big(row.params), big(row.macs ?? NaN), tensor ? bytes(get("batch_size") * row.memory) : W.none, size ? text(one(size)) : W.none,
        size ? text(one(tensor.field.map((axis) => axis[2]))) : W.none].forEach((text, i) => write(cells[i], text));
      // The field is compared with the input's side, the rest with the sum; the longest bar is that of the largest.
      const now = seen ? size?.[0] : row[key], whole = seen ? sides[0] : all, longest = seen ? sides[0] : most;
      write(bar, now >= 0 && whole ? `${big(100 * now / whole, 1)} %` : W.none);
      const share = whole && (get("scale") === "log" ? Math.log1p(now) / Math.log1p(longest) : now / longest) || 0, width = `${(100 * min(1, share)).toFixed(1)}%`;
      const state = row.problem ? row.problem[0] ? "bad" : "waits" : "";
      if (bar.state === (bar.state = state + width)) return;
      bar.style.setProperty("--share", width);
      tr.dataset.state = state;
    };
    const top = line("input", h("span")), list = h("table", { "data-show": "" }), heads = COLUMNS.map((key) => h("th", { scope: "col", "data-key": key }, W.columns[key]));
    const shareHead = h("th", { scope: "col", class: "share" });
    put(list, h("caption", W.caption), h("thead", h("tr", heads, shareHead)), body);
    body.append(top.tr);
    const totals = h("dl", { class: "cnnlib-net-totals", tabindex: -1 }), note = h("div", { class: "cnnlib-problem" });
    const output = h("pre", { tabindex: 0 }), copies = h("section", h("p", h("b", W.code), " ", view.copy(() => output.textContent)), output);

    // Single changes after which row i has an output.
    const offers = (i, { taken: [{ shape } = {}], problem: [key] }) => {
      const L = net()[i], found = [], c = shape?.at(-1), n = pair(get("n"));
      const offer = (label, change, past = 0) => {
        const bad = firstBad(solved(change));
        return (bad < 0 || bad + past > i) && found.push(view.mend(label, () => change, totals));
      };
      const tries = (name, ...options) => name in L && options.some((value) => !same(L[name], value) && offer(
        fill(W.set, { i: i + 1, text: `${name}=${written(value)}` }), { layers: changed({ [name]: value }, i) }));
      if (key === "window") {
        const rates = pair(L.dilation_rate ?? 1);
        tries(SIDES[0], fold(pair(L[SIDES[0]]).map((k, axis) => min(k, 1 + floor((shape[axis] - 1) / rates[axis])))));
        tries("padding", "same");
      }
      if (key !== "map") tries("dilation_rate", 3, 2, 1);
      if (key === "refused" || key === "Add") tries("strides", 1);
      if (key === "Add") {
        tries("type", "Concatenate");
        for (const shortcut of DATA.shortcuts) tries("shortcut", shortcut);
        tries("filters", c, 2 * c);
      }
      if (key === "window" || key === "fixed") {
        const fixed = key === "fixed", size = (x) => (fixed ? x : fold(n.map((side) => max(side, x))));
        let low = 1, high = MOST.n;
        while (low < high) {
          const middle = (low + high) >> 1;
          const row = solved({ n: size(middle) })[i];
          if (row.tensor || fixed && row.taken[0]?.shape[0] >= L.seen[0]?.[0]) high = middle;
          else low = middle + 1;
        }
        offer(fill(W.size, { n: text(size(low)) }), { n: size(low) });
      }
      // Without the row, and where a map is missing without the one that took it.
      let j = i;
      if (key === "map") do [j] = reads(net()[j], j); while (rows[j]?.taken[0]?.shape[2] === undefined && j >= 0);
      for (const k of new Set([j, i])) if (net()[1] && k >= 0) offer(fill(W.drop, { i: k + 1, type: typeOf(net()[k]) }), { layers: without(k) }, 1);
      return found;
    };
    // What is wrong: the first row without an output; or, seldom meant, an end in something else than a number a class.
    const drawNote = (bad) => {
      const { problem, tensor, L } = rows[bad] ?? rows.at(-1), waiting = rows.filter((row) => row.problem && !row.problem[0]).length;
      const shape = tensor?.shape, { inside = "", ...values } = problem?.[1] ?? {};
      const now = problem ? fill(W.problem, { i: bad + 1, type: typeOf(L), why: inside + fill(W.problems[problem[0]], values), rest: waiting ? fill(W.rest, { count: waiting }) : "" })
        : shape[0] && !same(shape, [get("classes")]) ? fill(W.end, { shape: times(shape), classes: big(get("classes")) }) : "";
      note.hidden = !now;
      if (note.shown !== now || drawn?.layers !== net()) {
        put(note, now, now && h("p", problem ? [W.fits, ...offers(bad, rows[bad])] : (shape[1] ? ["GlobalAveragePooling2D", "Flatten"] : ["Dense"]).map((kind) =>
          view.mend(fill(W.append, { type: kind }), () => ({ layers: [...net(), { type: kind, ...TYPES[kind], ..."units" in TYPES[kind] && { units: null } }] }), totals))));
      }
      note.shown = now;
      return now;
    };

    const facts = entries(W.totals).map(([key, word]) => [key, h("b"), h("small"), word]);
    put(totals, facts.map(([, value, more, word]) => h("div", h("dt", word), h("dd", value, more))));
    const drawTotals = (ok, leaves) => {
      const total = (key) => sum(rows.map((row) => row[key] ?? 0)), batch = get("batch_size"), params = total("params"), trained = total("trained");
      const ofBatch = fill(W.ofBatch, { batch: big(batch) }), values = {
        params: [big(params), fill(W.split, { trained: big(trained), still: big(params - trained) })],
        macs: [big(total("macs")), rows.some(({ macs }) => macs === null) ? W.orMore : ""], weights: [bytes(4 * params), W.float],
        training: [bytes(batch * sum(leaves.map(([size]) => size))), ofBatch], inference: [ok ? bytes(batch * peak(leaves)) : "", ofBatch],
      };
      for (const [key, value, more] of facts) [value, more].forEach((node, i) => write(node, ok ? values[key][i] : i ? "" : W.none));
      return fill(W.news, { params: big(params), macs: values.macs[0], memory: values.training[0] });
    };
    // What the chosen row reads: one list a source, and for a join one more.
    const drawReads = (L, i) => {
      const from = reads(L, i), join = isJoin(L), options = [-1, ...keys().slice(0, i)].map((j) => [j, j < 0 ? W.input : `${j + 1} ${typeOf(net()[j])}`]);
      const state = JSON.stringify([i, from, join, options]), focus = [...readers.querySelectorAll("select")].indexOf(document.activeElement);
      if (state === readers.shown) return;
      readers.shown = state;
      put(readers, L.type === "Fixed" ? [] : [...from, ...join ? [""] : []].map((place, j) => {
        const id = `${settings[0][0].lastChild.id}-${j}`, input = h("select", { id, change() {
          view.set({ layers: changed({ inputs: from.toSpliced(j, 1, ...input.value ? [+input.value] : []) }) });
        } }, j ? h("option", { value: "" }, W.nothing) : "", options.map(([value, word]) => h("option", { value }, word)));
        input.value = place;
        return h("div", { class: "cnnlib-control" }, h("label", { for: id }, j ? W.readsToo : W.reads), input);
      }));
      readers.querySelectorAll("select")[focus]?.focus();
    };

    const draw = () => {
      const layers = net(), leaves = [], key = get("show"), i = at(), L = layer(), batch = get("batch_size"), classes = get("classes");
      if (layers !== drawn?.layers) {
        const now = JSON.stringify(layers);
        which = texts.find(([, text]) => text === now)?.[0] ?? "own";
      }
      rows = solved({ layers }, leaves);
      const bad = firstBad(rows), values = rows.map((row) => row[key] ?? 0), bars = [key, sum(values), max(...values)];
      const active = document.activeElement, held = editor.contains(active);
      write(shareHead, W.shares[key]);
      list.dataset.show = key;
      fillLine(top, { tensor: input(), params: 0, macs: 0, memory: leaves[0][0] }, W.input, "", ...bars);
      let last = top.tr;
      const place = (tr) => {
        if (last.nextSibling !== tr) last.after(tr);
        last = tr;
      };
      rows.forEach((row, j) => {
        const own = lines[j] ??= newLine(j), open = opened.has(j) && isBlock(row.L), state = `${j === i}${open}${row.L.type}`;
        if (own.of !== row.L || drawn.classes !== classes) own.more = details(own.of = row.L, row.from, classes);
        fillLine(own, row, `${j + 1} ${W.names[row.L.type] ?? typeOf(row.L)}`, own.more, ...bars);
        if (own.state !== state) {
          own.state = state;
          own.head.ariaPressed = j === i;
          own.head.tabIndex = own.fold.tabIndex = j === i ? 0 : -1;
          own.fold.hidden = !isBlock(row.L);
          own.fold.textContent = open ? "▾" : "▸";
          own.fold.ariaExpanded = open;
          own.fold.ariaLabel = fill(W.unfold, { i: j + 1, type: W.names[row.L.type] });
        }
        place(own.tr);
        const inner = open && row.inner || [];
        inner.forEach((one, k) => {
          fillLine(own.inner[k] ??= line("inner", h("span")), one, `${j + 1}.${k + 1} ${one.L.type}`, details(one.L, one.from, classes), ...bars);
          place(own.inner[k].tr);
        });
        own.inner.splice(inner.length).forEach(({ tr }) => tr.remove());
        if (j === i) place(editor);
      });
      lines.splice(rows.length).forEach((gone) => [gone, ...gone.inner].forEach(({ tr }) => tr.remove()));
      if (held) active.focus();

      write(title, fill(S.chosen, { i: i + 1, count: layers.length }));
      for (const [there, able, own] of acts) {
        own.hidden = !there(L);
        own.ariaDisabled = !able();
      }
      for (const [element, there] of settings) element.hidden = !(there.call ? there(L) : there in TYPES[L.type]);
      drawReads(L, i);
      if (held && active.hidden) lines[i].head.focus();
      const lead = reasons(rows[i], batch);
      if (why.shown !== (why.shown = `${lead}`)) put(why, lead.map(([what, words]) => h("div", h("dt", W.columns[what]), h("dd", words))));
      model.refresh();
      copies.hidden = bad >= 0;
      if (bad < 0) write(output, keras(layers, input().shape, classes));
      const wrong = drawNote(bad), news = drawTotals(bad < 0, leaves);
      drawn = { layers, classes };
      view.news(bad < 0 ? `${news} ${wrong}` : wrong);
    };

    const size = (key) => own.range(key, { max: max(256, ...pair(get("n"))) });
    el.append(controls(size("n"), size("width"), scaled("in_channels", 64), scaled("classes", 1024), scaled("batch_size", 1024),
      own.select("net", lists([...Object.keys(PRESETS), "own"]))),
    totals, note, controls(own.choice("show", W.quantities), own.choice("scale", W.scales)),
    h("div", { class: "cnnlib-net-table" }, list), h("p", { class: "cnnlib-muted" }, W.memoryNote), copies);
    view.controls(traits).watch(["layers", "n", "in_channels", "classes", "batch_size", "current", "show", "scale"], draw);
    return view.dispose;
  },
};
