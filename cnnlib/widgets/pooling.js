// A window moves over a picture and keeps its largest number, or the mean: where each output came from, which cells are
// read how often, what comes back to them, and what a small move of the picture changes.
// DATA (pooling.json) holds the pictures, the largest settings and Play's pauses in ms. A cell of the input has its place
// i, j on the board, which begins with the padding, and its own r, c in the picture; it knows the outputs that read it.
const T = STRINGS.pooling, { ARROWS, h, s: svg, put, fill, same, count, pair, fold, python } = ui;
const { LIMIT, grid, sum, show, sides, sign, parse, digits, scaled, makeBoard, painter, PAGES } = cells, { images, most: MOST } = DATA;
const WRITTEN = 64, LINES = 9; // the most numbers written out, and the most arrows at once
// A, B, ..., Z, AA, ...: the name of an output, which the cell that it came from bears too.
const letters = (i) => (i > 25 ? letters(floor(i / 26) - 1) : "") + String.fromCharCode(65 + (i % 26));
const differ = (a, b) => abs(a - b) > 1e-9;
// The texts of those names that are there.
const words = (names, facts) => names.filter(Boolean).map((name) => fill(T[name], facts)).join(" ");

function readPicture(get) {
  const name = get("image"), own = name === "own", preset = images[name] ?? images.digit;
  if (own && get("numbers")) { // an address may have rows of several lengths
    const rows = get("numbers"), wide = max(...rows.map(({ length }) => length));
    return rows.map((row) => count(wide, (j) => row[j] ?? 0));
  }
  const size = pair(own ? preset.size : get("size")), [from] = preset.channels.map(digits);
  const x = grid(size, (i, j) => (preset.picture ? scaled(from, i, j, ...size) : from[i % from.length][j % from[0].length]));
  if (name !== "edges") return x;
  return grid(size, (i, j) => max(0, sum(DATA.edges.map((row, a) => row.map((w, b) => w * (x[i + a - 1]?.[j + b - 1] ?? 0))))));
}

// The layer on the picture. Of an output: `all` cells of its window and the `real` ones, its value, the value that it `was`
// before the picture moved, the cells that `held` the maximum, and the `sources`, to which its gradient goes back: of equal
// maxima the first one in a window, all of them in a global pool, as TensorFlow has it on a CPU.
function solve(get, picture) {
  const kind = get("kind"), whole = kind.startsWith("global"), most = kind.endsWith("max"), shift = get("shift");
  const size = [picture.length, picture[0].length], k = whole ? size : pair(get("pool_size")), s = whole ? size : pair(get("strides") ?? k);
  const padding = whole ? "valid" : get("padding"), long = padding === "same" ? -1 : size.findIndex((n, i) => n < k[i]); // the axis that does not fit
  const [down, across] = size.map((n, i) => {
    const [before, after] = padAmounts(n, k[i], s[i], padding), o = long < 0 ? outputSize(n, k[i], s[i], padding) : 0;
    return { before, after, all: n + before + after, o, windows: count(o, (at) => readWindow(n, at, k[i], s[i], padding)) };
  });
  const inputs = grid([down.all, across.all], (i, j) => {
    const r = i - down.before, c = j - across.before, was = picture[r]?.[c], pad = was === undefined;
    return { input: true, i, j, r, c, pad, was, values: pad ? was : picture[r][max(c - shift, 0)], reads: pad ? was : 0, gradient: pad ? was : 0, readers: [], wins: [] };
  });
  const y = down.windows.map((rows, r) => across.windows.map((columns, c) => {
    const all = rows.flatMap((i) => columns.map((j) => inputs[i + down.before][j + across.before])), real = all.filter(({ pad }) => !pad);
    const pool = (key) => (most ? max(...real.map((cell) => cell[key])) : sum(real.map((cell) => cell[key])) / real.length);
    const values = pool("values"), was = pool("was"), held = most ? real.filter((cell) => cell.values === values) : [], sources = !most ? real : whole ? held : held.slice(0, 1);
    const one = { i: r, j: c, r, c, at: r * across.o + c, name: letters(r * across.o + c), all, real, held, sources, values, was, changed: differ(values, was) };
    real.forEach((cell) => { cell.reads = cell.readers.push(one); });
    sources.forEach((cell) => { cell.gradient += 1 / sources.length; });
    if (most) sources.forEach((cell) => cell.wins.push(one));
    return one;
  }));
  return { kind, whole, most, shift, size, k, s, padding, long, down, across, inputs, y, outputs: y.flat(), cells: inputs.flat().filter(({ pad }) => !pad) };
}
// What a move of the picture changes, counted; outputs also against those that lay whole strides further left before.
function compare({ cells, y, outputs, s, across, whole, shift }) {
  const by = whole ? 0 : min(floor(shift / s[1]), across.o - 1), along = y.flatMap((row) => row.slice(by).map(({ values }, j) => differ(values, row[j].was)));
  const changes = (list) => list.filter(({ values, was }) => differ(values, was)).length;
  const mean = (list) => show(sum(list.map(({ values, was }) => abs(values - was))) / list.length);
  return { inputs: changes(cells), cells: cells.length, outputs: changes(outputs), all: outputs.length, input: mean(cells), output: mean(outputs),
    shift, by, stride: s[1], changed: along.filter(Boolean).length, compared: along.length };
}

export default {
  render({ model, el }) {
    const get = (key) => model.get(key), view = ui.view({ model, el, name: "pooling" }), SIDED = ["pool_size", "strides", "size"];
    let picture, of, now, cell, hot, timer, from, apart = false, width = el.clientWidth - 30;
    const own = () => get("image") === "own", last = () => now.outputs.length - 1;

    // --- parts of settings, for the controls: [trait, read, write] ---
    const both = (key) => (key === "size" ? now.size : pair(get(key) ?? get("pool_size")));
    const table = { tied: ["strides", (strides) => !strides, (on) => (on ? null : get("pool_size"))] };
    SIDED.forEach((key) => count(2, (axis) => {
      table[key + axis] = [key, () => both(key)[axis], (value) => {
        const to = apart ? both(key).with(axis, value) : [value, value];
        if (key !== "size" || !own()) return fold(to);
        // Own numbers are cut off, or get zeros, at the right and the bottom.
        model.set("numbers", grid(to, (i, j) => picture[i]?.[j] ?? 0));
        return get("size");
      }];
    }));
    const parts = ui.parts(model, table), controls = view.controls(parts, T);

    // --- cells ---
    const input = makeBoard("cnnlib-pool-input"), output = makeBoard("cnnlib-pool-output"), boardOf = (c) => (c.input ? input : output);
    const find = (target) => {
      const td = target?.closest("td"), list = td && (input.table.contains(td) ? now.inputs : now.y);
      return list && list[td.parentNode?.rowIndex]?.[td.cellIndex];
    };
    const place = ({ r, c }) => fill(T.cell, { row: r + 1, column: c + 1 }), nameOf = (c) => (c.pad ? T.pad : place(c));
    const current = () => now.outputs[get("position")];
    function pinned() {
      const [kind, r, c] = get("pinned") ?? [];
      return now.outputs[0] && (kind === "output" ? current() : kind === "input" ? now.cells.find((cell) => cell.r === r && cell.c === c) : undefined);
    }
    const release = () => view.set({ pinned: null });
    function pin(c) {
      if (!now.outputs[0]) return;
      hot = c.pad ? boardOf(c).cellAt(c) : null; // padding is shown, not kept
      if (c.pad || c === pinned()) release();
      else view.set(c.input ? { pinned: ["input", c.r, c.c] } : { position: c.at, pinned: ["output"] });
      move();
    }

    // --- the words about a cell ---
    const joined = (items, glue) => {
      const more = items.length - WRITTEN;
      return [...items.slice(0, WRITTEN).flatMap((item, i) => (i ? [glue, item] : [item])), more > 0 && `${glue}… (${fill(T.more, { more })})`];
    };
    // As `formula` in pooling.py: "max(3, −∞, 1) = 3", "(3 + 1) / 2 = 2".
    function formulaOf({ all, real, sources, values }) {
      const term = (c, i) => (c.pad ? h("u", "−∞") : !now.most ? (i && c.values < 0 ? `(${show(c.values)})` : show(c.values)) : c === sources[0] ? h("b", show(values)) : show(c.values));
      return [now.most ? "max(" : "(", joined((now.most ? all : real).map(term), now.most ? ", " : " + "), now.most ? ")" : `) / ${real.length}`,
        ` ${sign([...real.map((c) => c.values), values])} `, h("b", show(values))].flat();
    }
    function describe(c) {
      const { most } = now, back = get("show") === "gradient", names = (list) => list.map(({ name }) => name).join(", ");
      if (c.pad) return [words([most ? "padMax" : "padMean"])];
      if (c.input) {
        const { reads, wins, readers, gradient } = c, shares = (most ? wins : readers).map(({ sources: { length } }) => (length > 1 ? `1/${length}` : 1));
        return [words(["inputIs", reads ? reads > 1 ? "readBy" : "readByOne" : "readByNone", most && reads && (wins[0] ? "wins" : "winsNone"), back && (shares[0] ? "receives" : "nothing")],
          { cell: place(c), value: show(c.values), count: reads, outputs: names(readers), won: names(wins), shares: `${shares.join(" + ")} ${sign([gradient])} ${show(gradient)}` })];
      }
      const { held, real, all, changed, sources } = c, pads = all.length - real.length, facts = { name: c.name, cell: place(c), from: most && place(held[0]), held: held.length, pads, count: real.length, parts: sources.length, was: show(c.was) };
      return [[words(["outputIs"], facts), " ", h("span", { class: "cnnlib-pool-sum" }, formulaOf(c))],
        words([most && "from", held[1] && (now.whole ? "tieAll" : "tie"), pads && (most ? "padsLose" : "padsOut"), back && (sources[1] ? "backAll" : "backOne"), now.shift && (changed ? "was" : "wasToo")], facts)];
    }

    // --- drawing ---
    // How large a cell can be, beside the output or above it.
    function measure() {
      const room = max(width, 240), { all, o } = now.across, columns = o || 1, gap = 64;
      let side = 46, beside = true;
      while (side > 12 && all * side + max(columns * side, 110) + gap > room) side--;
      const alone = min(40, floor((room - 8) / all));
      if (side < 27 && alone > side + 3) [side, beside] = [alone, false];
      cell = { side, beside, out: now.whole ? 64 : max(side, min(36, floor((beside ? room - all * side - gap : room - 8) / columns))) };
      stage.style.cssText = `--cell:${side}px;--out:${cell.out}px`;
      stage.className = `cnnlib-pool-stage${beside ? "" : " cnnlib-pool-below"}`;
    }
    function paint() {
      const { inputs, size, down, across, y, outputs, most } = now, what = get("show"), values = what === "values", real = images[get("image")]?.picture;
      const all = [down.all, across.all], numbers = inputs.map((row) => row.map((c) => c[what])), results = y.map((row) => row.map((c) => c.values));
      const { level, text, most: top } = painter(cell.side, numbers, real && values), light = painter(cell.out, [results, inputs.map((row) => row.map((c) => c.values))], real);
      const look = (v, i, j) => {
        const { pad, reads, wins } = inputs[i][j];
        return pad ? "pad" : `${outputs[0] && !reads ? "unread " : ""}${wins[0] ? "win " : ""}${values ? level(v) : `plus v${round((8 * v) / top)}${text(0) && " read"}`}`;
      };
      const name = fill(T.boards[what], { sides: sides(size) }) + (same(all, size) ? "" : fill(T.padded, { all: sides(all) }));
      const title = fill(T[!outputs[0] ? "noOutput" : now.whole ? "outputOne" : "output"], { sides: sides([down.o, across.o]) });
      input.draw(name, name, numbers, look, (v) => (v === undefined ? most && text(0) && "−∞" || "" : text(v)), [down.before, across.before]);
      output.draw(title, title, results, (v, i, j) => `${y[i][j].changed ? "moved " : ""}${light.level(v)}`, light.text);
      return real && values;
    }
    function explain(grey) {
      const { kind, cells, down, across, outputs, most, whole, k, padding, size, long } = now, pool = ranges.pool_size, some = outputs[0], times = {};
      cells.forEach(({ reads }) => { times[reads] = (times[reads] ?? 0) + 1; });
      const ties = outputs.filter(({ held }) => held[1]).length, pads = !same([down.all, across.all], size), facts = some && compare(now);
      if (!some) play(false);
      rest.hidden = !some;
      rest.firstChild.hidden = !outputs[1];
      notes.textContent = some ? words([own() && get("numbers")?.some(({ length }) => length !== size[1]) && "ragged", grey && "grey", most ? "ring" : "noRing", ties && !whole && "ties", pads && "pads", pads && (most ? "padMaxNote" : "padMeanNote"), "overlap", times[0] && "unread"], {
        ties, top: down.before, bottom: down.after, left: across.before, right: across.after,
        list: entries(times).map(([times, cells]) => fill(T.times, { times, cells })).join(", ") }) : "";
      moved.textContent = some ? words(now.shift ? ["moved", facts.by && "along"] : ["unmoved"], facts) : "";
      const shape = (...sides) => python(["None", ...sides, 1]).replaceAll('"', ""), strides = get("strides");
      script.textContent = some ? `import keras\n\nkeras.layers.${T.layers[kind]}(${whole ? ""
        : `pool_size=${python(get("pool_size"))}${strides ? `, strides=${python(strides)}` : ""}, padding="${padding}"`})\n# ${shape(...size)} -> ${shape(...(whole ? [] : [down.o, across.o]))}` : "";
      apart ||= SIDED.some((key) => !same(...both(key)));
      apartBox.checked = apart;
      SIDED.forEach((key) => ranges[key].forEach((control, i) => {
        control.firstChild.textContent = T[key] + (apart || i ? T.axisOf[i] : "");
        control.hidden = i && !apart || whole && key !== "size";
      }));
      tied.hidden = pad.hidden = whole;
      parts.refresh();
      const global = `global ${most ? "max" : "average"}`, fits = [{ pool_size: fold(k.map((side, i) => min(side, size[i]))) }, { padding: "same" },
        !own() && { size: fold(k.map((side, i) => max(side, size[i]))) }, { kind: global }];
      put(box, !some && [fill(T.tooLong, { axis: T.axes[long], k: k[long], n: size[long] }), h("p", fits.map((change) => change &&
        view.mend(change.kind ? `${T.layers[global]}()` : entries(change).map(([key, to]) => `${key}=${python(to)}`).join(), () => change, (change.kind ? shift : pool[0]).querySelector("input"))))]);
    }
    function draw() {
      const key = JSON.stringify(["image", "numbers", "size"].map(get));
      if (of !== key) [of, picture] = [key, readPicture(get)];
      now = solve(get, picture);
      if (now.outputs[0]) view.set({ position: min(get("position"), last()) });
      measure();
      explain(paint());
      move();
    }
    // What one step of the window, or the reader's hand, changes.
    function move() {
      const held = pinned(), here = current(), { outputs, cells, most } = now, marks = [new Map(), new Map()];
      edit.hidden = !held;
      laidOut.disconnect();
      put(overlay);
      if (!here) {
        [input, output].forEach((board) => board.mark(new Map()));
        return view.news(box.textContent);
      }
      const c = held ?? (!timer && find(hot) || here);
      const mark = (one, kind, note) => {
        const map = marks[+!one.input], at = boardOf(one).at(one.i, one.j);
        map.set(at, [kind, note ?? map.get(at)?.[1]]);
      };
      if (cell.side > 33) cells.forEach((one) => {
        const [a, b, more] = one.wins;
        if (a) mark(one, "", `${a.name}${more ? ` +${one.wins.length - 1}` : b ? ` ${b.name}` : ""}`);
      });
      if (cell.out > 21) outputs.forEach((one) => mark(one, "", [one.changed && "≠", cell.out > 31 && one.name, cell.out > 35 && !most && `÷${one.real.length}`].filter(Boolean).join(" ")));
      (c.all ?? c.readers).forEach((one) => mark(one, "in"));
      mark(c, "hot");
      [input, output].forEach((board, i) => board.mark(marks[i]));
      from = c;
      laidOut.observe(stage);
      put(formula, describe(c).map((line) => line && h("p", line)));
      formula.tabIndex = formula.textContent.length > 300 ? 0 : -1; // a long one scrolls inside its box
      if (held) {
        edit.firstChild.firstChild.textContent = fill(T.pinned, { kind: T.sorts[+!held.input], cell: place(held) });
        field.hidden = !held.input;
        if (!field.matches(":focus")) restore();
      }
      if (!output.table.contains(document.activeElement)) output.stopAt(here.at);
      slider.max = last();
      slider.value = here.at;
      scrub.lastChild.textContent = counter(here.at);
      slider.ariaValueText = fill(T.said, { name: here.name, cell: place(here), value: show(here.values) });
      if (!timer) view.news(`${formula.textContent} ${now.shift ? moved.textContent : ""}`);
    }
    // Called once by the next frame, as soon as it knows where the cells lie: asked for earlier, that would cost a layout more.
    const laidOut = new ResizeObserver(() => {
      laidOut.disconnect();
      link(from);
    });
    // The lines over the boards: from the cells that a number comes from to the output, in the gradient's view back.
    function link(c) {
      const ground = stage.getBoundingClientRect(), back = get("show") === "gradient", shapes = [], { most } = now;
      const draws = (kind, shape) => shapes.push(svg("path", { class: kind, ...shape }));
      // Its centre and half its side.
      const box = (one) => {
        const { left, top, width } = boardOf(one).cellAt(one).getBoundingClientRect(), d = width / 2;
        return { x: left + d - ground.left, y: top + d - ground.top, d };
      };
      const join = (kind, ...ends) => {
        const [from, to] = (back ? ends.reverse() : ends).map(box), right = to.x - from.x, down = to.y - from.y;
        draws(kind, { transform: `translate(${from.x} ${from.y}) rotate(${Math.atan2(down, right) * 180 / Math.PI})`,
          d: `M${from.d} 0H${Math.hypot(right, down) - to.d * (back ? 0.9 : 1)}m-9 -4l9 4l-9 4` });
      };
      if (c.input) {
        if (!c.readers[LINES]) c.readers.forEach((one) => join(most ? `line${c.wins.includes(one) ? "" : " lost"}` : "line thin", c, one));
      } else {
        const { x, y, d } = box(c.all[0]), end = box(c.all.at(-1)), to = box(c), right = end.x + d, bottom = end.y + d;
        const [from, side] = cell.beside ? [`M${right} ${y - d}`, "v"] : [`M${x - d} ${bottom}`, "h"];
        draws("cone", { d: `${from}L${to.x - to.d} ${to.y - to.d}${side}${2 * to.d}L${right} ${bottom}z` });
        c.held.map(box).forEach(({ x, y, d }, i) => shapes.push(svg("circle", { class: i ? "tie" : "best", cx: x, cy: y, r: d - 1 })));
        if (!c.sources[LINES]) c.sources.forEach((one) => join(most ? "line" : "line thin", one, c));
      }
      put(overlay, shapes);
    }

    // --- the reader's hand ---
    function point(target) {
      if (hot === target) return;
      hot = target;
      if (!timer && !pinned()) move();
    }
    const editable = (c) => c.input && !c.pad && now.outputs[0];
    function change({ r, c }, to) {
      const from = max(c - now.shift, 0); // where the moved picture's cell lay
      view.set({ image: "own", numbers: picture.map((row, i) => row.map((old, j) => (i === r && j === from ? to : old))) });
    }
    // A bad entry leaves the last number in force.
    function judge() {
      const to = parse(field.value), bad = Number.isNaN(to), c = pinned();
      field.ariaInvalid = bad;
      wrong.textContent = bad ? fill(T.wrong, { text: field.value, last: show(c.values), limit: LIMIT }) : "";
      if (bad) view.say(wrong.textContent);
      else change(c, to);
    }
    function restore() {
      field.value = show(pinned()?.values ?? 0);
      field.ariaInvalid = false;
      wrong.textContent = "";
    }
    const back = (c) => c && boardOf(c).focus(c.i, c.j);
    function keys(event) {
      const { key } = event, c = find(event.target), [down, right] = ARROWS[key] ?? [];
      if (!c || event.ctrlKey || event.metaKey || event.altKey) return;
      if (ARROWS[key]) back((c.input ? now.inputs : now.y)[c.i + down]?.[c.j + right]);
      else if (key === "Enter" || key === " ") pin(c);
      else if (PAGES[key] && editable(c)) {
        change(c, max(-LIMIT, min(LIMIT, c.values + PAGES[key])));
        event.target.ariaLabel = null;
      }
      else if (/^[\d.,+-]$/.test(key) && editable(c)) {
        if (c !== pinned()) pin(c);
        field.value = key;
        field.focus();
        judge();
      } else return;
      event.preventDefault();
    }
    const field = h("input", { autocomplete: "off", size: 7, input: judge, change: restore, keydown({ key }) { if (key === "Enter") back(pinned()); } });
    const edit = h("div", { class: "cnnlib-pool-row" }, h("label", h("span"), " ", field), ui.button(T.release, () => { back(pinned()); release(); }));
    const overlay = svg("svg", { "aria-hidden": "true" });
    const stage = h("div", {
      pointerover({ target, pointerType }) { if (pointerType !== "touch") point(target.closest("td")); },
      pointerleave() { point(); },
      click({ target }) { const c = find(target); if (c) { back(c); pin(c); } },
      focusin({ target }) {
        const c = find(target);
        if (!c) return;
        boardOf(c).stopAt(boardOf(c).at(c.i, c.j));
        target.ariaLabel = `${nameOf(c)}${c.pad ? "" : `: ${show(c.values)}`}${target.matches(".unread") ? T.isUnread : ""}`;
        if (target.matches(":focus-visible")) point(target);
      },
      focusout({ target, relatedTarget }) {
        target.ariaLabel = null; // its number may change
        if (!stage.contains(relatedTarget)) point(); },
      keydown: keys }, input.element, output.element, overlay);
    el.onkeydown = ({ key }) => { if (key === "Escape" && get("pinned")) { if (field.matches(":focus")) back(pinned()); release(); } };

    // --- playing; the window's own moves let go of an input cell ---
    const pick = (position) => view.set({ position, pinned: get("pinned")?.[0] === "output" ? ["output"] : null });
    const turn = (by) => pick((get("position") + by + last() + 1) % (last() + 1));
    function play(on) {
      const pause = DATA.speeds[get("speed")], was = timer;
      clearInterval(timer);
      timer = on ? setInterval(() => {
        if (get("position") + 1 >= last() || !el.isConnected) play(false);
        if (get("position") < last()) turn(1);
      }, ui.reducedMotion() ? max(pause * 3, 700) : pause) : null;
      playButton.textContent = on ? T.pause : T.play;
      if (on) pick(get("position") < last() ? get("position") : 0);
      else if (was) move(); // what was not told while it played
    }
    const counter = (p) => `${Number(p) + 1}/${last() + 1}`, playButton = ui.button(T.play, () => play(!timer));

    // --- controls ---
    now = solve(get, readPicture(get));
    const scrub = view.range("position", { min: 0, max: 0, format: counter }), slider = scrub.querySelector("input");
    slider.oninput = () => pick(Number(slider.value));
    const box = h("div", { class: "cnnlib-problem" }), wrong = h("p", { class: "cnnlib-problem" }), notes = h("p", { class: "cnnlib-muted" });
    const formula = h("div", { class: "cnnlib-pool-words" }), moved = h("p"), script = h("pre", { tabindex: 0 }), row = (...list) => h("div", { class: "cnnlib-pool-row" }, list);
    const ranges = fromEntries(SIDED.map((key) => [key, count(2, (i) => controls.range(key + i, { min: key === "size" ? 2 : 1, max: MOST[key] }))]));
    const apartBox = h("input", { type: "checkbox", change() {
      apart = apartBox.checked;
      // Back together: every setting takes what its rows have.
      if (!apart) SIDED.forEach((key) => { if (!same(...both(key))) parts.set(`${key}0`, both(key)[0]); });
      parts.save_changes();
      draw();
    } });
    const tied = controls.checkbox("tied"), pad = view.choice("padding", STRINGS.common.modes), shift = view.range("shift", { min: 0, max: MOST.shift });
    pad.querySelector("span:last-child").remove(); // a pool knows no explicit padding
    const gallery = view.select("image", T.images), rest = h("div",
      row(scrub, h("div", ui.button(T.previous, () => turn(-1)), playButton, ui.button(T.next, () => turn(1))), view.select("speed", T.speeds)),
      edit, wrong, formula, moved, row(script, view.copy(() => script.textContent)));
    // Own numbers begin as the picture that is there. Before the list itself sets the image: after it the picture is another.
    gallery.addEventListener("change", ({ target }) => { if (target.value === "own" && !get("numbers")) model.set("numbers", picture); }, true);
    el.append(h("div", { class: "cnnlib-controls" }, ranges.pool_size, ranges.strides, tied, shift),
      row(view.choice("kind", T.kinds), pad, view.choice("show", T.shows)), box, stage, rest,
      h("div", { class: "cnnlib-controls" }, gallery, ranges.size, h("label", { class: "cnnlib-check" }, apartBox, T.apart)), notes);
    view.watch(["image", "numbers", "size", "kind", "pool_size", "strides", "padding", "shift", "show"], draw);
    view.watch(["position", "pinned"], move);
    view.watch(["speed"], () => { if (timer) play(true); });
    view.fit(stage, (wide) => { width = wide; draw(); });
    return () => { clearInterval(timer); laidOut.disconnect(); view.dispose(); };
  },
};
