// What every widget shares: building elements, controls tied to a model, announcements.
// A widget never knows whether a notebook or a built page hosts it.
const { entries, fromEntries } = Object; // for all files of a page

export const ui = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  let serial = 0;

  const build = (node, attributes, children) => {
    if (attributes?.constructor !== Object) return build(node, {}, [attributes, ...children]);
    for (const [key, value] of entries(attributes)) {
      if (value === undefined || value === false) continue;
      if (typeof value === "function") node.addEventListener(key, value);
      else node.setAttribute(key, value);
    }
    node.append(...children.flat().filter((child) => (child ?? false) !== false));
    return node;
  };
  // h("button", {class: "x", click: f}, "text"): an element; a function is an event listener. Attributes may be left
  // out, children may be lists; null, undefined and false are no child.
  const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
  const s = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

  // The step, in rows and columns, that an arrow key takes among cells.
  const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

  // Gives an element, say `put(list, item, done && mark)`, other children.
  const put = (node, ...children) => {
    node.replaceChildren();
    return build(node, {}, children);
  };
  const button = (text, click, attributes) => h("button", { type: "button", class: "cnnlib-button", click, ...attributes }, text);

  const copyButton = (label, getText, say) => {
    const { copied, copyFailed } = STRINGS.common;
    const own = button(label, async () => {
      // Without permission or a secure context there is no clipboard; the button then says what to do.
      const done = await navigator.clipboard?.writeText(getText()).then(() => true, () => false);
      say(own.textContent = done ? copied : copyFailed);
      setTimeout(() => { own.textContent = label; }, 1500);
    });
    return own;
  };

  // fill("kernel {k}", {k: 3}) -> "kernel 3"; `show` writes the values.
  const fill = (text, values, show = String) => text.replace(/\{(\w+)\}/g, (_, key) => show(values[key]));
  const reducedMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
  const same = (a, b) => a === b || JSON.stringify(a) === JSON.stringify(b);
  const count = (n, make) => Array.from({ length: n }, (_, i) => make(i));
  // A number for both axes, or one for each, as a pair; and back: equal ones become one.
  const pair = (value) => (isList(value) ? value : [value, value]);
  const fold = ([a, b]) => (same(a, b) ? a : [a, b]);
  // A number as people read it: "−1,234", or "–" where there is none; a value as Python code has it: (3, None, "same").
  const formats = count(4, (digits) => new Intl.NumberFormat("en", { maximumFractionDigits: digits }));
  const big = (number, digits = 3) => (Number.isFinite(number) ? formats[digits].format(number).replace("-", "−") : "–");
  const python = (value) => geomShow(value).replaceAll("'", '"');

  // A model with further keys, each a part of a trait: {key: [trait, read(value), write(part, value)]}. refresh() shows
  // the parts anew where something outside the model, such as which layer is chosen, decides what they read.
  const parts = (model, table) => {
    const shown = new Set(), of = (name) => table[name.slice("change:".length)], event = (name) => (of(name) ? `change:${of(name)[0]}` : name);
    return {
      get: (key) => (table[key] ? table[key][1](model.get(table[key][0])) : model.get(key)),
      set(key, value) {
        const [trait, , write] = table[key] ?? [key];
        model.set(trait, write ? write(value, model.get(trait)) : value);
      },
      on(name, action) { if (of(name)) shown.add(action); model.on(event(name), action); },
      off(name, action) { shown.delete(action); model.off(event(name), action); },
      save_changes: () => model.save_changes(),
      refresh: () => shown.forEach((action) => action()),
    };
  };

  // One widget on screen. Everything it listens to on the model, or watches, goes when dispose() is called.
  const view = ({ model, el, name }) => {
    const undo = [], words = STRINGS[name];
    const status = h("div", { class: "cnnlib-sr", role: "status" });
    let announcing, state, lead = "";
    el.replaceChildren();
    el.classList.add("cnnlib", `cnnlib-${name}`);
    build(el, { "data-cnnlib-widget": name, role: "group", "aria-label": words.label,
      // JupyterLab takes keys away from what has the focus, unless that very element has this attribute.
      focusin({ target }) { target.dataset.lmSuppressShortcuts = ""; } }, [status]);

    // Screen readers hear the last of a burst, not each slider step, and before it what a button has just done: `first`.
    const say = (text, first) => {
      if (first) lead = text;
      clearTimeout(announcing);
      announcing = setTimeout(() => { status.textContent = first || !lead ? text : `${lead} ${text}`; lead = ""; }, 300);
    };
    // The state in words: told where it is another than before, and not the first time.
    const news = (text) => {
      if (state !== undefined && state !== text) say(text);
      state = text;
    };
    const id = () => `cnnlib-${name}-${++serial}`;

    // What shows and sets a model's keys. A widget's own model needs no call; parts of it, with words of their own, do.
    const controls = (model, words) => {
      const on = (key, action) => {
        const event = `change:${key}`;
        model.on(event, action);
        undo.push(() => model.off(event, action));
      };
      const set = (values) => {
        for (const [key, value] of entries(values)) if (!same(model.get(key), value)) model.set(key, value);
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
      const tie = (key, show) => { on(key, show); show(); };

      // A control shows and sets the trait `key`; its label is the widget's word of that name.
      const labelled = (key, input, ...more) => h("div", { class: "cnnlib-control" }, h("label", { for: input.id }, words[key]), input, more);

      const range = (key, { min = 1, max, step = 1, format = String }) => {
        const input = h("input", { type: "range", id: id(), min, max, step, input: () => set({ [key]: Number(input.value) }) });
        const output = h("output", { for: input.id, "aria-live": "off" }); // the slider itself says it
        tie(key, () => {
          const value = model.get(key), now = `${format(value)}`;
          if (value > input.max) input.max = value; // a link or an offer may go beyond the slider
          input.value = value;
          if (output.textContent !== now) input.ariaValueText = output.textContent = now;
        });
        return labelled(key, input, output);
      };
      // `options` of the next two: {value: text}, all values strings.
      const choice = (key, options) => {
        const group = id();
        return h("fieldset", { class: "cnnlib-choice" }, h("legend", words[key]), h("div", entries(options).map(([value, text]) => {
          const input = h("input", { type: "radio", name: group, value, id: id(), change: () => set({ [key]: value }) });
          tie(key, () => { input.checked = model.get(key) === value; });
          return h("span", input, h("label", { for: input.id }, text));
        })));
      };
      const select = (key, options) => {
        const input = h("select", { id: id(), change: () => set({ [key]: input.value }) },
          entries(options).map(([value, text]) => h("option", { value }, text)));
        tie(key, () => { input.value = model.get(key); });
        return labelled(key, input);
      };
      const checkbox = (key) => {
        const input = h("input", { type: "checkbox", id: id(), change: () => set({ [key]: input.checked }) });
        tie(key, () => { input.checked = model.get(key); });
        return h("div", { class: "cnnlib-check" }, input, h("label", { for: input.id }, words[key]));
      };
      return { set, watch, range, choice, select, checkbox };
    };
    const own = controls(model, words), copy = (getText) => copyButton(STRINGS.common.copy, getText, say);
    // A button that sets what values() says. Where it goes with the problem that it mends, `home` takes the focus.
    const mend = (text, values, home, label) => button(text, ({ target }) => {
      own.set(values());
      queueMicrotask(() => target.isConnected || home.focus());
    }, { "aria-label": label });
    // Calls draw(width) whenever the element has another width, the first time when it is on the page.
    const fit = (element, draw) => {
      let last;
      const observer = new ResizeObserver(() => {
        const width = element.clientWidth;
        if (width && width !== last) draw(last = width);
      });
      observer.observe(element);
      undo.push(() => observer.disconnect());
    };
    const dispose = () => {
      clearTimeout(announcing);
      undo.splice(0).forEach((stop) => stop());
    };
    return { ...own, controls, say, news, copy, mend, fit, dispose };
  };

  return { ARROWS, h, s, put, button, copyButton, fill, same, count, pair, fold, big, python, reducedMotion, parts, view };
})();

// Draws a canvas of rows x columns pixels: colour(i, c) is 0 to 255, i counts pixels, c is 0, 1, 2 for red, green, blue.
export function paintPixels(canvas, rows, columns, colour) {
  const image = new ImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) for (let c = 0; c < 4; c++) image.data[4 * i + c] = c === 3 ? 255 : colour(i, c);
  Object.assign(canvas, { width: columns, height: rows }).getContext("2d").putImageData(image, 0, 0);
  return canvas;
}
