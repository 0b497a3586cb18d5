// The stack editor: a list of layers, one of them chosen, its settings as controls; add, remove, move. It edits a
// trait made by traits.py's Layers, whose layers have every key, and keeps no copy of it.
//
//   layerStack({ view, model, key, label, current, types, most, rectangular, least, note, keys }) => element
//     view, model   of ui.view; key: the trait that holds the layers; label: what the list is called
//     current       the trait with the chosen layer's index; without it the choice lives on screen only
//     types         the layer types on offer, the first is what an empty stack gets; see LAYER_DEFAULTS
//     most          as in traits.py, at least { layers, kernel_size, strides, dilation_rate, zeros }: the sliders' ends
//     rectangular   offers rows and columns apart; least: the fewest layers (1)
//     note(i)       text after layer i's own, such as its output; `keys`: further traits that it depends on
//     card(i)       in place of text and note: the children of layer i's button
//   layerText(layer) => "Conv2D 3×3, 16 filters, stride 1, same"
//   layerAxis(layer, axis) => [k, s, p, d] of rows (axis 0) or columns (1), as geometry.js takes them
//   layerPads(padding) => [top, bottom, left, right] of explicit zeros; layerMode(layer) => "valid", "same" or false
//   layerSide(value, axis), layerFold(pair): one side of a number or pair; two equal sides as one
//   channelScale(i), channelPlace(count): a slider's positions 1, 2, ... for 1 to 1024 channels, exact up to 16, and back
//
// Keys: arrows, Home and End go through the list, Alt+arrows move the chosen layer, Delete removes it.

const LAYER_POOL = { kernel_size: 2, strides: 2, padding: "valid" };
const LAYER_CONV = { filters: 16, kernel_size: 3, strides: 1, padding: "valid", dilation_rate: 1, use_bias: true };
const LAYER_DEFAULTS = { Conv2D: LAYER_CONV, MaxPooling2D: LAYER_POOL, AveragePooling2D: LAYER_POOL, Conv2DTranspose: { ...LAYER_CONV, output_padding: null } };

const layerSide = (value, axis) => (Array.isArray(value) ? value[axis] : value);
const layerMode = ({ padding }) => typeof padding === "string" && padding;
const layerFold = ([a, b]) => (ui.same(a, b) ? a : [a, b]);
export const layerPads = (p) => [0, 1].flatMap((axis) => {
  const ends = Array.isArray(p?.[0]) || Array.isArray(p?.[1]) ? p[axis] : p;
  return typeof ends === "string" ? [0, 0] : [layerSide(ends, 0), layerSide(ends, 1)];
});
export const layerAxis = ({ kernel_size, strides, padding, dilation_rate = 1 }, axis) => [layerSide(kernel_size, axis), layerSide(strides, axis),
  typeof padding === "string" ? padding : layerPads(padding).slice(2 * axis, 2 * axis + 2), layerSide(dilation_rate, axis)];
export const channelScale = (i) => (i <= 16 ? i : (5 + ((i - 17) & 3)) * 4 << ((i - 17) >> 2));
export const channelPlace = (count) => {
  let i = 1;
  while (channelScale(i) < count) i++;
  return i;
};
export const layerText = (layer) => {
  const W = STRINGS.stack, { type, filters, kernel_size, strides, padding, dilation_rate = 1 } = layer, both = (value) => [0, 1].map((axis) => layerSide(value, axis)).join("×");
  return ui.fill(W.text, { type, k: both(kernel_size) }) + [filters && W[filters > 1 ? "textFilters" : "textFilter"], W.textStrides, layerMode(layer) || W.textZeros,
    !ui.same(dilation_rate, 1) && W.textDilation].filter(Boolean).map((text) => ", " + ui.fill(text, { filters,
    s: Array.isArray(strides) ? both(strides) : strides, d: Array.isArray(dilation_rate) ? both(dilation_rate) : dilation_rate, p: geomShow(padding) })).join("");
};

export const layerStack = ({ view, model, key, label, current, types, most, rectangular = false, least = 1, note = () => "", keys = [],
  card = (i) => [`${i + 1} ${layerText(model.get(key)[i])}${note(i)}`] }) => {
  const { h, fill, button } = ui, W = STRINGS.stack, sided = ["kernel_size", "strides", "dilation_rate", "output_padding"], words = { ...W };
  let place = 0, apart = false, last;

  const layers = () => model.get(key);
  const at = () => Math.max(0, Math.min(current ? model.get(current) : place, layers().length - 1));
  const blank = (type) => ({ type, ...LAYER_DEFAULTS[type] });
  const layer = () => layers()[at()] ?? blank(types[0]);
  const put = (list, index = at()) => {
    place = index;
    view.set({ [key]: list, ...current && { [current]: Math.max(0, index) } });
    draw();
  };
  const said = (text, index) => fill(text, { i: index + 1, layer: layers()[index] ? layerText(layers()[index]) : W.nothing, count: layers().length });
  const choose = (index) => { apart = false; put(layers(), index); };

  // Controls of the chosen layer: parts of the trait.
  const change = (edit) => layers().map((old, i) => (i === at() ? edit(old) : old));
  const one = (read, write) => [key, () => read(layer()), (value) => change((old) => ({ ...old, ...write(value, old) }))];
  const table = {
    // Another type keeps what it shares with the old one; between convolutions and pools only the place stays.
    type: [key, () => layer().type, (type) => change((old) => {
      const now = blank(type), kin = "filters" in old === "filters" in now;
      for (const name in now) if (kin && name in old && name !== "type" && (name !== "padding" || layerMode(old) || !("output_padding" in now))) now[name] = old[name];
      return now;
    })],
    filters: one((now) => channelPlace(now.filters ?? 1), (i) => ({ filters: channelScale(i) })),
    mode: one((now) => layerMode(now) || "explicit", (mode) => ({ padding: mode === "explicit" ? 1 : mode })),
    use_bias: one((now) => !!now.use_bias, (use_bias) => ({ use_bias })),
  };
  const part = ui.parts(model, table), own = view.controls(part, words), inputs = [];
  // A control, when it is there, and what it is called where the sides are set apart.
  const add = (element, there, name) => inputs.push([element, there, name]);
  // A value a side. The first one's control sets all while they are linked.
  const addSides = (name, ends) => ends.forEach((end, i) => {
    const control = `${name}_${i}`, choosing = name === "output_padding", all = (now) => (name === "zeros" ? layerPads(now.padding) : [0, 1].map((axis) => layerSide(now[name], axis)));
    words[control] = end;
    table[control] = one((now) => (choosing ? `${all(now)[i] ?? ""}` : all(now)[i] ?? 1), (value, now) => {
      const sides = all(now).map((old, j) => (apart && j % ends.length !== i ? old : !choosing ? value : value === "" ? null : +value)), [rows, columns] = [sides.slice(0, 2), sides.slice(2)];
      return name === "zeros" ? { padding: ui.same(rows, columns) ? layerFold(rows) : [rows, columns] } : { [name]: layerFold(sides) };
    });
    add(choosing ? own.select(control, { "": W.none, ...Array.from({ length: most.strides }, (_, zeros) => `${zeros}`) }) : own.range(control, { min: +(name !== "zeros"), max: most[name] }),
      (now) => (name === "zeros" ? !layerMode(now) : name in now) && (apart || !i), () => (apart || i ? end : W[name]));
  });
  if (types[1]) add(own.select("type", Object.fromEntries(types.map((type) => [type, type]))), () => true);
  add(own.range("filters", { max: channelPlace(most.filters ?? 1024), format: () => `${layer().filters}` }), (now) => "filters" in now);
  for (const name of sided) addSides(name, rectangular ? [W.rows, W.columns].map((end) => fill(end, { name: W[name] })) : [W[name]]);
  add(own.choice("mode", STRINGS.common.modes), () => true);
  const explicit = inputs.at(-1)[0].querySelector("[value=explicit]").parentNode;
  addSides("zeros", rectangular ? [W.top, W.bottom, W.left, W.right] : [W.before, W.after]);
  add(own.checkbox("use_bias"), (now) => "use_bias" in now);
  const tick = h("input", { type: "checkbox", change() {
    apart = tick.checked;
    if (!apart) put(change((old) => {
      const now = { ...old, padding: layerMode(old) || layerPads(old.padding)[0] };
      for (const side of sided) if (side in old) now[side] = layerSide(old[side], 0);
      return now;
    }));
    draw();
  } });
  add(h("label", { class: "cnnlib-check" }, tick, rectangular ? W.apart : W.endsApart), (now) => rectangular || !layerMode(now));

  // The list and the buttons. Buttons are never taken away nor disabled, so that the focus stays where it is.
  const list = h("div", { class: "cnnlib-stack-list", role: "toolbar", "aria-label": label, "aria-orientation": "vertical", keydown(event) {
    const step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, Home: -99, End: 99 }[event.key];
    if (event.key === "Delete") remove.click();
    else if (step && event.altKey) (step < 0 ? earlier : later).click();
    else if (step) choose(Math.max(0, Math.min(at() + step, layers().length - 1)));
    else return;
    event.preventDefault();
    list.children[at()]?.focus();
  } });
  const act = (name, able, list, index, text) => button(W[name], () => {
    if (!able()) return view.say(W[`${name}Not`], true);
    const to = index();
    apart = false;
    put(list(), to);
    view.say(said(text, at()), true);
  }, { title: W[`${name}Title`] });
  const swap = (a, b) => layers().map((old, i, all) => all[i === a ? b : i === b ? a : i]);
  const able = { add: () => layers().length < most.layers, remove: () => layers().length > least, earlier: () => at() > 0, later: () => at() < layers().length - 1 };
  const [plus, remove, earlier, later] = [
    act("add", able.add, () => layers().length ? layers().toSpliced(at() + 1, 0, layer()) : [layer()], () => layers().length ? at() + 1 : 0, W.added),
    act("remove", able.remove, () => layers().toSpliced(at(), 1), () => Math.min(at(), layers().length - 2), W.removed),
    act("earlier", able.earlier, () => swap(at(), at() - 1), () => at() - 1, W.moved),
    act("later", able.later, () => swap(at(), at() + 1), () => at() + 1, W.moved),
  ];

  const draw = () => {
    const now = layer(), all = layers(), index = at();
    apart ||= [now.padding, ...sided.map((side) => now[side])].some(Array.isArray);
    all.forEach((_, i) => {
      const own = list.children[i] ?? list.appendChild(button("", () => choose(i)));
      own.replaceChildren(...card(i));
      own.ariaPressed = i === index;
      own.tabIndex = i === index ? 0 : -1;
    });
    while (list.children.length > all.length) list.lastChild.remove();
    Object.entries({ add: plus, remove, earlier, later }).forEach(([name, own]) => { own.ariaDisabled = !able[name](); });
    settings.hidden = !all.length;
    settings.firstChild.textContent = fill(W.chosen, { i: index + 1, count: all.length });
    tick.checked = apart;
    explicit.hidden = now.type === "Conv2DTranspose";
    inputs.forEach(([element, there, name]) => {
      element.hidden = !there(now);
      if (name) element.firstChild.textContent = name();
    });
    // Shown anew only where another layer is meant: a change of the trait shows its parts by itself.
    if (last !== index) part.refresh();
    last = index;
  };
  const settings = h("div", { role: "group" }, h("p"), h("div", { class: "cnnlib-controls" }, inputs.map(([element]) => element)));
  const element = h("div", { class: "cnnlib-stack" }, h("div", {}, list, h("div", { class: "cnnlib-stack-acts", role: "group", "aria-label": W.acts }, plus, remove, earlier, later)), settings);
  view.watch([key, ...current ? [current] : [], ...keys], draw);
  return element;
};
