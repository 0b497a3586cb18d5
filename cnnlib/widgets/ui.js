// What every widget shares: building elements, controls tied to a model, announcements.
// A widget never knows whether a notebook or a built page hosts it.
export const ui = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  let serial = 0;

  function build(node, attributes, children) {
    for (const [key, value] of Object.entries(attributes ?? {})) {
      if (value === null || value === undefined || value === false) continue;
      if (typeof value === "function") node.addEventListener(key, value);
      else node.setAttribute(key, value === true ? "" : value);
    }
    node.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return node;
  }
  // h("button", {class: "x", click: f}, "text"): an element; a function is an event listener.
  const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
  const s = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

  // fill("kernel {k}", {k: 3}) -> "kernel 3"
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, key) => values[key]);
  const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const same = (a, b) => a === b || JSON.stringify(a) === JSON.stringify(b);

  // One widget on screen. Everything it listens to on the model goes when dispose() is called.
  function view({ model, el, name, label }) {
    const listening = [];
    const status = h("div", { class: "cnnlib-sr", role: "status", "aria-live": "polite" });
    let announcing;
    el.replaceChildren();
    el.classList.add("cnnlib");
    build(el, { "data-cnnlib-widget": name, role: "group", "aria-label": label }, [status]);

    const on = (key, action) => {
      const event = `change:${key}`;
      model.on(event, action);
      listening.push([event, action]);
    };
    const set = (values) => {
      for (const [key, value] of Object.entries(values)) if (!same(model.get(key), value)) model.set(key, value);
      model.save_changes();
    };
    // Runs `draw` now, then once for any burst of changes to `keys`.
    const watch = (keys, draw) => {
      let waiting = false;
      const later = () => {
        if (waiting) return;
        waiting = true;
        queueMicrotask(() => { waiting = false; draw(); });
      };
      keys.forEach((key) => on(key, later));
      draw();
    };
    // Screen readers hear the last of a burst, not each slider step.
    const say = (text) => {
      clearTimeout(announcing);
      announcing = setTimeout(() => { status.textContent = text; }, 300);
    };
    const tie = (key, show) => { on(key, show); show(); };
    const id = () => `cnnlib-${name}-${++serial}`;
    // JupyterLab takes arrow keys away from inputs without this attribute.
    const keepKeys = { "data-lm-suppress-shortcuts": "true" };

    function range(key, { label, min, max, step = 1, format = String }) {
      const own = id();
      const input = h("input", { type: "range", id: own, min, max, step, ...keepKeys,
        input: () => set({ [key]: Number(input.value) }) });
      const output = h("output", { for: own });
      tie(key, () => {
        input.value = model.get(key);
        output.textContent = format(model.get(key));
        input.setAttribute("aria-valuetext", output.textContent);
      });
      return h("div", { class: "cnnlib-control" }, h("label", { for: own }, label), input, output);
    }
    function choice(key, { label, options }) {
      const group = id();
      const inputs = options.map(([value]) => h("input", { type: "radio", name: group, value: String(value), id: `${group}-${value}`,
        ...keepKeys, change: () => set({ [key]: value }) }));
      tie(key, () => options.forEach(([value], i) => { inputs[i].checked = same(model.get(key), value); }));
      return h("fieldset", { class: "cnnlib-choice" }, h("legend", {}, label), h("div", {},
        options.map(([value, text], i) => h("span", {}, inputs[i], h("label", { for: inputs[i].id }, text)))));
    }
    function select(key, { label, options }) {
      const own = id();
      const input = h("select", { id: own, ...keepKeys, change: () => set({ [key]: options[input.selectedIndex][0] }) },
        options.map(([value, text]) => h("option", { value: String(value) }, text)));
      tie(key, () => { input.selectedIndex = options.findIndex(([value]) => same(model.get(key), value)); });
      return h("div", { class: "cnnlib-control" }, h("label", { for: own }, label), input);
    }
    function checkbox(key, { label }) {
      const own = id();
      const input = h("input", { type: "checkbox", id: own, ...keepKeys, change: () => set({ [key]: input.checked }) });
      tie(key, () => { input.checked = model.get(key); });
      return h("div", { class: "cnnlib-check" }, input, h("label", { for: own }, label));
    }
    function copy(getText) {
      const button = h("button", { type: "button", class: "cnnlib-button", click: async () => {
        const done = await toClipboard(getText());
        button.textContent = done ? STRINGS.common.copied : STRINGS.common.copyFailed;
        say(button.textContent);
        setTimeout(() => { button.textContent = STRINGS.common.copy; }, 1500);
      } }, STRINGS.common.copy);
      return button;
    }
    function dispose() {
      clearTimeout(announcing);
      listening.splice(0).forEach(([event, action]) => model.off(event, action));
    }
    return { on, set, watch, say, range, choice, select, checkbox, copy, dispose };
  }

  // Without permission or a secure context there is no clipboard; the button then says what to do.
  const toClipboard = (text) => Promise.resolve(navigator.clipboard?.writeText(text).then(() => true, () => false));

  return { h, s, fill, same, reducedMotion, view };
})();
