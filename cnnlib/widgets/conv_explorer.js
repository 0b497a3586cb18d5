// A window moves over a small input: which numbers are multiplied there, and what their sum is.
// A picture is one word a row, one base-36 digit a cell. The corner of "example" is the lecture notes' window;
// "digit" is a real scan, the first of the UCI set "Optical Recognition of Handwritten Digits" (CC BY 4.0).
const picture = (text) => text.split(" ").map((row) => Array.from(row, (digit) => parseInt(digit, 36)));
const PICTURES = {
  example: picture("10210342 54231021 34502130 21034012 02315203 31240315 42013120 01352041"),
  edge: Array(8).fill([0, 0, 0, 9, 9, 9, 9, 9]),
  digit: picture("005d9100 00dfaf50 03f20b80 04c00880 05800980 04b01c70 02e5ac00 006da000"),
};
const OPENS_AT = { example: 5, edge: 6, digit: 8 };
const blur = (k) => Array(k).fill(Array(k).fill(1 / (k * k)));
const KERNELS = {
  example: Array(3).fill([-1, 0, 1]),
  identity: [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
  blur: blur(3),
  sharpen: [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
  sobel_x: [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
  sobel_y: [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
  laplacian: [[0, 1, 0], [1, -4, 1], [0, 1, 0]],
};
const LIMIT = 9999;
const ARROWS = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };

const equal = ui.same;
const make = (rows, columns, cell) =>
  Array.from({ length: rows }, (_, i) => Array.from({ length: columns }, (_, j) => cell(i, j)));
const square = (grid, n, by = 0) => make(n, n, (i, j) => grid[i + by]?.[j + by] ?? 0);
// The centre stays the centre; of an even side it is the cell that "same" padding takes for it.
const resize = (kernel, k) => {
  const old = kernel.length;
  return old > 1 && equal(kernel, blur(old)) ? blur(k) : square(kernel, k, ((old - 1) >> 1) - ((k - 1) >> 1));
};
const nameOf = (grids, fits) => Object.keys(grids).find((name) => fits(grids[name], name)) ?? "own";
const asIs = (x) => x;
const short = (x) => Number(x.toFixed(2));
const show = (x) => String(short(x));
const factor = (x) => (x < 0 ? `(${show(x)})` : show(x));
const sides = (grid) => `${grid.length} × ${grid[0].length}`;
// "3", "-0.5", "1/9" -> a number; anything else ("0x10", "1e3"), or too large a number -> NaN
function parse(text) {
  const [over, under = 1, ...more] = text.replace("−", "-").replace(",", ".").split("/").map((part) => (/^ *[+-]?[\d.]+ *$/.test(part) ? Number(part) : NaN));
  return more.length || Math.abs(over / under) > LIMIT ? NaN : over / under;
}

// Controls for parts of a trait: [trait, read, write]. "size" is the side of "image", and so on.
function withParts(model) {
  const pictureName = (image) => nameOf(PICTURES, (grid) => equal(image, square(grid, image.length)));
  // What a smaller size hides comes back with a larger one.
  let whole = PICTURES[pictureName(model.get("image"))] ?? model.get("image");
  const parts = {
    size: ["image", (image) => image.length, (n, image) => make(n, n, (i, j) => image[i]?.[j] ?? whole[i]?.[j] ?? 0)],
    picture: ["image", pictureName, (name) => square(whole = PICTURES[name], OPENS_AT[name])],
    kernel_size: ["kernel", (kernel) => kernel.length, (k, kernel) => resize(kernel, k)],
    preset: ["kernel", (kernel) => nameOf(KERNELS, (grid, name) => (kernel.length > 2 || name === "identity") &&
      equal(kernel, resize(grid, kernel.length))), (name) => KERNELS[name]],
    mode: ["padding", (p) => (typeof p === "string" ? p : "explicit"), (mode) => (mode === "explicit" ? 1 : mode)],
    zeros: ["padding", (p) => (typeof p === "string" ? 0 : Math.max(...[p].flat())), asIs],
  };
  const part = (key) => parts[key] ?? [key, asIs, asIs];
  const event = (name) => name.replace(/\w+$/, (key) => part(key)[0]);
  return {
    get(key) {
      const [trait, read] = part(key);
      return read(model.get(trait));
    },
    set(key, value) {
      const [trait, , write] = part(key);
      model.set(trait, write(value, model.get(trait)));
    },
    on: (name, action) => model.on(event(name), action),
    off: (name, action) => model.off(event(name), action),
    save_changes: () => model.save_changes(),
  };
}

// A table with one tab stop; arrow keys move inside it. `fillIn` makes a cell, once for a shape.
function board(fillIn) {
  const { h } = ui, name = h("div");
  const stopAt = (goal) => {
    for (const old of table.querySelectorAll("[tabindex='0']")) old.tabIndex = -1;
    if (goal) goal.tabIndex = 0;
  };
  const table = h("table", {
    role: "grid",
    focusin({ target }) { stopAt(target); target.select?.(); },
    keydown(event) {
      const step = ARROWS[event.key], td = event.target.closest("td"), { selectionStart, selectionEnd, value } = event.target;
      if (td === event.target && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); td.click(); }
      // In an input, left and right move the caret until it meets the edge.
      if (!step || (step[1] < 0 && selectionStart > 0) || (step[1] > 0 && selectionEnd < value?.length)) return;
      event.preventDefault();
      const next = table.rows[td.parentNode.rowIndex + step[0]]?.cells[td.cellIndex + step[1]], goal = next?.firstElementChild ?? next;
      if (goal?.hasAttribute("tabindex")) { goal.focus(); goal.click(); }
    },
  });
  let shape;
  return {
    element: h("div", { class: "cnnlib-conv-board" }, name, h("div", {}, table)),
    // look(i, j) -> what a cell shows: value, kind (class), label, weight (in its corner), chosen
    draw(text, now, look) {
      let letters = 3;
      name.textContent = text;
      table.ariaLabel = text;
      if (!equal(shape, now)) {
        shape = now;
        table.replaceChildren(...make(now[0], now[1], fillIn).map((row) => h("tr", {}, row)));
        stopAt(table.querySelector("[tabindex]"));
      }
      make(now[0], now[1], (i, j) => {
        const td = table.rows[i].cells[j], input = td.firstElementChild, { value, kind = "", label, weight, chosen } = look(i, j);
        letters = Math.max(letters, show(value).length);
        td.className = kind;
        if (weight === undefined) delete td.dataset.weight;
        else td.dataset.weight = show(weight);
        if (chosen !== undefined) td.ariaSelected = chosen;
        if (chosen) stopAt(td);
        if (!input) td.textContent = show(value);
        // "1/9" or "2." must not be rewritten while it is being typed.
        else if (!input.matches(":focus") || Math.abs(parse(input.value) - value) > 1e-9) input.value = show(value);
        if (input) input.ariaLabel = label;
      });
      table.style.cssText = `--cells:${now[1]};--letters:${letters}`;
    },
  };
}

export default {
  render({ model: traits, el }) {
    const model = withParts(traits), T = STRINGS["conv-explorer"], { h, fill } = ui, { get } = model;
    const view = ui.view({ model, el, name: "conv-explorer" });
    let down, across, used, outputs, last, position, timer, opened = false;
    const pick = (to) => view.set({ position: to });
    const tell = (text) => { if (opened && !timer) view.say(text); };
    const nameCell = (i, j) => fill(T.cell, { row: i + 1, column: j + 1 });

    // A cell that takes a number for trait[i][j]. A bad entry leaves the last number in force.
    function entry(trait, i, j) {
      const number = () => get(trait)[i][j];
      const judge = (value) => {
        const bad = Number.isNaN(value);
        wrong.hidden = !bad;
        input.ariaInvalid = bad;
        if (bad) tell(wrong.textContent = fill(T.wrong, { text: input.value, last: show(number()), limit: LIMIT }));
        else view.set({ [trait]: get(trait).map((row, r) => row.map((x, c) => (r === i && c === j ? value : x))) });
      };
      const restore = (value) => {
        judge(value);
        input.value = show(value);
      };
      const input = h("input", {
        tabindex: -1, autocomplete: "off",
        input: () => judge(parse(input.value)),
        change() { if (input.isConnected) restore(number()); },
        keydown(event) {
          const by = { PageUp: 1, PageDown: -1 }[event.key];
          if (!by) return;
          event.preventDefault();
          restore(Math.max(-LIMIT, Math.min(LIMIT, number() + by)));
          input.select();
        },
      });
      return h("td", {}, input);
    }
    const inputs = board((i, j) => {
      const r = i - down.zeros[0], c = j - across.zeros[0];
      return get("image")[r]?.[c] === undefined ? h("td") : entry("image", r, c);
    });
    const kernel = board((i, j) => entry("kernel", i, j));
    const result = board((i, j) => h("td", { tabindex: -1, click: () => pick(i * across.windows.length + j) }));

    const axis = (n, k) => {
      const rest = [k, get("strides"), get("padding"), get("dilation_rate")], zeros = padAmounts(n, ...rest);
      const plan = { n, zeros, all: n + zeros[0] + zeros[1], windows: [], unread: [] };
      try {
        plan.windows = Array.from({ length: outputSize(n, ...rest) }, (_, i) => readWindow(n, i, ...rest));
        plan.unread = unreadCells(n, ...rest);
      } catch (error) {
        if (!(error instanceof RangeError)) throw error;
        plan.problem = error.message;
      }
      return plan;
    };
    // [weight, number] of every product of one output cell, row by row; the number is undefined in the padding.
    const products = (rows, columns) => rows.flatMap((r, a) => columns.map((c, b) => [used[a][b], get("image")[r]?.[c]]));

    function draw() {
      const image = get("image"), weights = get("kernel");
      down = axis(image.length, weights.length);
      across = axis(image[0].length, weights[0].length);
      used = get("flip") ? weights.map((row) => [...row].reverse()).reverse() : weights;
      outputs = down.windows.map((rows) => across.windows.map((columns) =>
        products(rows, columns).reduce((total, [w, x = 0]) => total + w * x, get("bias"))));
      last = down.windows.length * across.windows.length - 1;
      const problem = down.problem ?? across.problem, all = down.n * across.n, [[top, bottom], [left, right]] = [down.zeros, across.zeros];
      const unread = all - (down.n - down.unread.length) * (across.n - across.unread.length);
      const list = (cells) => cells.map((cell) => cell + 1).join(", ") || T.none;
      impossible.hidden = !problem;
      impossible.textContent = fill(T.impossible, { problem });
      player.hidden = sum.hidden = !!problem;
      if (problem) { play(false); tell(impossible.textContent); }
      else if (get("position") > last) pick(last);
      zeros.hidden = typeof get("padding") === "string";
      notes.textContent = [
        top + bottom + left + right && fill(T.padded, { top, bottom, left, right }),
        unread && fill(T.unread, { unread, all, rows: list(down.unread), columns: list(across.unread) }),
        !problem && T.weights + (get("flip") ? T.flipped : T.straight),
        get("strides") > 1 && get("dilation_rate") > 1 && STRINGS.common.refused,
      ].filter(Boolean).join(" ");
      move();
    }

    // What one step of the window changes.
    function move() {
      const image = get("image"), width = across.windows.length;
      position = Math.max(Math.min(get("position"), last), 0);
      const row = Math.floor(position / width) || 0, column = position % width || 0;
      const rows = down.windows[row] ?? [], columns = across.windows[column] ?? [];
      stage.style.setProperty("--total", across.all + used[0].length + Math.max(width, 3));
      const words = { sides: sides(image), padded: `${down.all} × ${across.all}` };
      inputs.draw(fill(T.input + (words.sides === words.padded ? "" : T.inputPadded), words), [down.all, across.all, down.zeros, across.zeros], (i, j) => {
        const r = i - down.zeros[0], c = j - across.zeros[0], value = image[r]?.[c], weight = used[rows.indexOf(r)]?.[columns.indexOf(c)];
        const unread = down.unread.includes(r) || across.unread.includes(c);
        const kind = value === undefined ? "pad" : unread ? "unread" : "";
        return { value: value ?? 0, kind: weight === undefined ? kind : `${kind} in`, weight: across.all > 12 ? undefined : weight,
          label: nameCell(r, c) + (unread ? T.isUnread : weight === undefined ? "" : T.isIn) };
      });
      kernel.draw(fill(T.kernel, { sides: sides(used) }) + (get("flip") ? T.turned : ""), [used.length, used[0].length],
        (i, j) => ({ value: get("kernel")[i][j], kind: "weight", label: nameCell(i, j) }));
      result.draw(outputs[0] ? fill(T.output, { sides: sides(outputs) }) : T.noOutput, [outputs.length, width],
        (i, j) => ({ value: outputs[i][j], chosen: i === row && j === column }));
      if (!outputs[0]) return;

      const value = outputs[row][column], bias = get("bias"), terms = products(rows, columns);
      const exact = [value, bias, ...terms.flat()].every((x = 0) => Math.abs(x - short(x)) < 1e-9);
      sum.replaceChildren(fill(T.sum, { cell: nameCell(row, column) }), " ", ...terms.flatMap(([w, x]) =>
        [`${factor(w)}·`, x === undefined ? h("u", {}, "0") : factor(x), " + "]), `${T.inSum} ${factor(bias)} ${exact ? "=" : "≈"} `, h("b", {}, show(value)));
      const said = fill(T.said, { cell: nameCell(row, column), sum: show(value) });
      slider.max = last;
      slider.value = position;
      scrub.querySelector("output").textContent = counter(position);
      tell(slider.ariaValueText = said);
    }

    function play(on) {
      clearInterval(timer);
      timer = on && setInterval(() => {
        if (position + 1 >= last || !el.isConnected) play(false);
        if (position < last) pick(position + 1);
      }, ui.reducedMotion() ? 2000 : 700);
      playButton.textContent = on ? T.pause : T.play;
      tell(slider.ariaValueText);
      if (on && position === last) pick(0);
    }
    const turn = (by) => pick((position + by + last + 1) % (last + 1));
    const playButton = ui.button(T.play, () => play(!timer));
    const counter = (p) => `${p + 1}/${last + 1}`;
    const scrub = view.range("position", { min: 0, max: 0, format: counter }), slider = scrub.querySelector("input");
    const stage = h("div", {}, inputs.element, kernel.element, result.element);
    const player = h("div", { class: "cnnlib-conv-player" }, scrub,
      h("div", {}, ui.button(T.previous, () => turn(-1)), playButton, ui.button(T.next, () => turn(1))));
    const impossible = h("p", { class: "cnnlib-problem" }), wrong = h("p", { class: "cnnlib-problem", hidden: true });
    const sum = h("p", { class: "cnnlib-conv-sum" }), notes = h("p", { class: "cnnlib-muted" });

    const zeros = view.range("zeros", { min: 0, max: 6, format: () => [get("padding")].flat().join(", ") });
    const controls = h("div", { class: "cnnlib-controls" },
      view.range("size", { min: Math.min(3, get("size")), max: Math.max(8, get("size")), format: () => sides(get("image")) }),
      view.select("picture", T.pictures), view.select("preset", T.presets),
      view.range("kernel_size", { max: 5, format: () => sides(get("kernel")) }),
      view.range("strides", { max: 4 }),
      view.range("dilation_rate", { max: 3 }),
      view.select("mode", STRINGS.common.modes), zeros,
      view.range("bias", { min: -10, max: 10, step: 0.5 }),
      view.checkbox("flip"));
    // "own numbers" tells what is there; there is nothing to choose.
    controls.querySelectorAll("option[value=own]").forEach((own) => { own.disabled = true; });
    // What moves comes first; on a phone the settings wait until they are asked for.
    el.append(impossible, h("div", { class: "cnnlib-conv-stage" }, stage), wrong, player, sum, notes,
      h("details", { open: matchMedia("(min-width: 600px)").matches }, h("summary", {}, T.settings), controls));
    view.watch(["image", "kernel", "bias", "strides", "padding", "dilation_rate", "flip"], draw);
    view.watch(["position"], move);
    opened = true;
    return () => { play(false); view.dispose(); };
  },
};
