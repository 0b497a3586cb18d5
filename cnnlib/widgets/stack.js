// The stack editor: a list of layers, one of them chosen, its settings as controls; add, remove, move. It edits a
// trait made by traits.py's Layers, whose layers have every key, and keeps no copy of it.
//
//   layerStack({ view, model, key, label, current, types, most, rectangular, least, note, keys, card }) => element
//     view, model   of ui.view; key: the trait that holds the layers; label: what the list is called
//     current       the trait with the chosen layer's index; without it the choice lives on screen only
//     types         the layer types on offer, the first is what an empty stack gets; see LAYER_DEFAULTS
//     most          as in traits.py, at least { layers, kernel_size, strides, dilation_rate, zeros }: the sliders' ends
//     rectangular   offers rows and columns apart; least: the fewest layers (1)
//     note(i)       text after layer i's own, such as its output; `keys`: further traits that it depends on
//     card(i)       in place of text and note: the children of layer i's button, a card; cards lie in a row
//   layerText(layer) => "Conv2D 3×3, 16 filters, stride 1, same"
//   layerAxis(layer, axis) => [k, s, p, d] of rows (axis 0) or columns (1), as geometry.js takes them
//   layerPads(padding) => [top, bottom, left, right] of explicit zeros; layerMode(layer) => "valid", "same" or false
//   channelScale(i), channelPlace(count): a slider's positions 1, 2, ... for 1 to 1024 channels, exact up to 16, and back
//
// Keys: arrows, Home and End go through the list, Alt+arrows move the chosen layer, Delete removes it.

const LAYER_POOL = { kernel_size: 2, strides: 2, padding: "valid" };
const LAYER_CONV = { filters: 16, kernel_size: 3, strides: 1, padding: "valid", dilation_rate: 1, use_bias: true };
const LAYER_DEFAULTS = { Conv2D: LAYER_CONV, MaxPooling2D: LAYER_POOL, AveragePooling2D: LAYER_POOL, Conv2DTranspose: { ...LAYER_CONV, output_padding: null } };

const layerMode = ({ padding }) => typeof padding === "string" && padding;
export const layerPads = (p) => (typeof p === "string" ? [0, 0, 0, 0]
  : (p.some?.(isList) ? p : [p, p]).flatMap((ends) => ui.pair(ends)));
export const layerAxis = (layer, axis) => [ui.pair(layer.kernel_size)[axis], ui.pair(layer.strides)[axis],
  layerMode(layer) || layerPads(layer.padding).slice(2 * axis, 2 * axis + 2), ui.pair(layer.dilation_rate ?? 1)[axis]];
export const channelScale = (i) => (i <= 16 ? i : (5 + ((i - 17) & 3)) * 4 << ((i - 17) >> 2));
export const channelPlace = (count) => {
  let i = 1;
  while (channelScale(i) < count) i++;
  return i;
};
export const layerText = (layer) => {
  const W = STRINGS.stack, { type, filters, kernel_size, strides, padding, dilation_rate = 1 } = layer;
  const sides = (value) => [value].flat().join("×");
  const values = { type, filters, k: sides(ui.pair(kernel_size)), s: sides(strides), d: sides(dilation_rate), p: geomShow(padding) };
  return [W.text, filters && W.textFilters[+(filters > 1)], W.textStrides, layerMode(layer) || W.textZeros,
    !ui.same(dilation_rate, 1) && W.textDilation].filter(Boolean).map((text) => ui.fill(text, values)).join(", ");
};

export const layerStack = ({ view, model, key, label, current, types, most, rectangular, least = 1, note, keys = [], card }) => {
  const { h, fill, pair, fold, button } = ui, W = STRINGS.stack;
  let place = 0, apart = false, last;

  const layers = () => model.get(key), within = (index, list) => max(0, min(index, list.length - 1));
  const at = () => within(current ? model.get(current) : place, layers()), size = () => layers().length;
  const blank = (type) => ({ type, ...LAYER_DEFAULTS[type] }), layer = () => layers()[at()] ?? blank(types[0]);
  const choose = (index, list = layers()) => {
    apart = false;
    place = within(index, list);
    view.set({ [key]: list, ...current && { [current]: place } });
    draw();
  };

  // Controls of the chosen layer: parts of the trait.
  const change = (edit) => layers().map((old, i) => (i === at() ? edit(old) : old));
  const one = (read, write) => [key, () => read(layer()), (value) => change((old) => ({ ...old, ...write(value, old) }))];
  const table = {
    // Another type keeps what it shares with the old one; between convolutions and pools only the place stays.
    type: [key, () => layer().type, (type) => change((old) => {
      const now = blank(type);
      if (!now.filters === !old.filters) for (const name in now) now[name] = old[name] ?? now[name];
      return { ...now, type, ..."output_padding" in now && { padding: layerMode(now) || "valid" } };
    })],
    filters: one((now) => channelPlace(now.filters ?? 1), (i) => ({ filters: channelScale(i) })),
    mode: one((now) => layerMode(now) || "explicit", (mode) => ({ padding: mode === "explicit" ? 1 : mode })),
    use_bias: one((now) => !!now.use_bias, (use_bias) => ({ use_bias })),
  };
  const part = ui.parts(model, table), own = view.controls(part, W), inputs = [];
  // A control, when it is there, and what it is called where the sides are set apart.
  const add = (element, there = () => true, name) => inputs.push([element, there, name]);
  // A value a side. The first one's control sets all while they are linked.
  const addSides = (name, ends) => ends.forEach((end, i) => {
    const control = `${name}_${i}`, zeros = name === "zeros", choosing = name === "output_padding";
    const all = (now) => (zeros ? layerPads(now.padding) : pair(now[name]));
    table[control] = one((now) => (choosing ? `${all(now)[i] ?? ""}` : all(now)[i] ?? 1), (value, now) => {
      const sides = all(now).map((old, j) => (apart && j % ends.length !== i ? old : value === "" ? null : +value));
      // Equal rows and columns are one pair, an equal pair is one number.
      return zeros ? { padding: fold(fold([sides.slice(0, 2), sides.slice(2)])) } : { [name]: fold(sides) };
    });
    add(choosing ? own.select(control, { "": W.none, ...ui.count(most.strides, String) })
      : own.range(control, { min: +!zeros, max: most[name] }),
      (now) => (zeros ? !layerMode(now) : name in now) && (apart || !i), () => (apart || i ? end : W[name]));
  });
  add(own.select("type", fromEntries(types.map((type) => [type, type]))));
  add(own.range("filters", { max: channelPlace(1024), format: () => `${layer().filters}` }), (now) => "filters" in now);
  for (const name of ["kernel_size", "strides", "dilation_rate", "output_padding"]) {
    addSides(name, rectangular ? W.sides.map((end) => fill(end, { name: W[name] })) : [W[name]]);
  }
  const mode = own.choice("mode", STRINGS.common.modes), explicit = mode.querySelector("[value=explicit]").parentNode;
  add(mode);
  addSides("zeros", rectangular ? [W.top, W.bottom, W.left, W.right] : W.ends);
  add(own.checkbox("use_bias"), (now) => "use_bias" in now);
  const tick = h("input", { type: "checkbox", change() {
    apart = tick.checked;
    // Linked again: the first side's number for all.
    if (apart) draw();
    else choose(at(), change((old) => fromEntries(entries(old).map(([name, value]) => [name, [value].flat(2)[0]]))));
  } });
  add(h("label", { class: "cnnlib-check" }, tick, rectangular ? W.apart : W.endsApart), (now) => rectangular || !layerMode(now));

  // The list and the buttons. Buttons are never taken away nor disabled, so that the focus stays where it is.
  const list = h("div", { class: "cnnlib-stack-list", role: "toolbar", "aria-label": label,
    "aria-orientation": card ? "horizontal" : "vertical", keydown(event) {
      const step = { ArrowUp: -1, ArrowLeft: -1, ArrowDown: 1, ArrowRight: 1, Home: -99, End: 99 }[event.key];
      if (event.key === "Delete") remove.click();
      else if (!step) return;
      else if (event.altKey) (step < 0 ? earlier : later).click();
      else choose(at() + step);
      event.preventDefault();
      list.children[at()]?.focus();
    } });
  // Whether a button can, and the button: the layers that it makes, and how far the choice moves.
  const act = (name, able, make, step) => [able, button(W[name], () => {
    if (!able()) return view.say(W[`${name}Not`], true);
    choose(at() + step, make());
    view.say(fill(W[`${name}Done`], {
      i: at() + 1, layer: layers()[0] ? layerText(layer()) : W.nothing, count: size(),
    }), true);
  }, { title: W[`${name}Title`] })];
  const without = () => layers().toSpliced(at(), 1), swap = (step) => () => without().toSpliced(at() + step, 0, layer());
  const acts = [
    act("add", () => size() < most.layers, () => layers().toSpliced(at() + 1, 0, layer()), 1),
    act("remove", () => size() > least, without, 0),
    act("earlier", () => at() > 0, swap(-1), -1),
    act("later", () => at() < size() - 1, swap(1), 1),
  ], buttons = acts.map(([, own]) => own), [, remove, earlier, later] = buttons;

  const draw = () => {
    const now = layer(), all = layers(), index = at();
    apart ||= Object.values(now).some(isList);
    all.forEach((one, i) => {
      const own = list.children[i] ?? list.appendChild(button("", () => choose(i)));
      ui.put(own, card ? card(i) : `${i + 1} ${layerText(one)}${note(i)}`);
      own.ariaPressed = i === index;
      own.tabIndex = i === index ? 0 : -1;
    });
    while (list.children[all.length]) list.lastChild.remove();
    for (const [able, own] of acts) own.ariaDisabled = !able();
    settings.hidden = !all[0];
    ui.put(settings.firstChild, fill(W.chosen, { i: index + 1, count: all.length }));
    tick.checked = apart;
    explicit.hidden = "output_padding" in now;
    for (const [element, there, name] of inputs) {
      element.hidden = !there(now);
      if (name) ui.put(element.firstChild, name());
    }
    // Shown anew only where another layer is meant: a change of the trait shows its parts by itself.
    if (last !== index) part.refresh();
    last = index;
  };
  const settings = h("div", { role: "group" }, h("p"), h("div", { class: "cnnlib-controls" }, inputs.map(([element]) => element)));
  view.watch([key, current ?? key, ...keys], draw);
  return h("div", { class: "cnnlib-stack" },
    h("div", list, h("div", { class: "cnnlib-stack-acts", role: "group", "aria-label": W.acts }, buttons)), settings);
};
