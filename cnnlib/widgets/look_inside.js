// A trained net on one picture: its maps, the sum behind each number, its scores, what they rest on, and filters to switch off.
// The main thread has the net's description (shapes, weights, windows) and draws; a worker computes: every layer's output
// for the picture on show, then a map of the picture for one class. Whatever changes the numbers is one message to it.
const W = STRINGS["look-inside"], { ARROWS, h, s: svg, fill, put, big, count } = ui;
const STRIP = { high: 196, wide: 110, side: 48 }, SHOWN = 3; // maps with their numbers
const FIRST = { layer: "", channel: 0, cell: null, off: [] }; // what is chosen in a net that has just come
const percent = (share) => `${big(100 * share, 1)}\u00a0%`, muted = { class: "cnnlib-muted" };
const small = (x) => (abs(x) < 1e-12 ? "0" : abs(x) < 0.1 ? String(+x.toPrecision(3)).replace(/^-/, "−").replace("e-", "e−") : big(x, 3));
const factor = (x) => (x < 0 ? `(${small(x)})` : small(x));
const largest = (values) => values.reduce((best, value, i) => (value > values[best] ? i : best), 0);

// --- the work: it names nothing outside itself, for it goes to the worker as text ---

const job = ([engine], post) => {
  let net;
  return function* ({ id, description, pixels, off, view, target, patch }) {
    if (description) net = engine.load(description);
    if (!pixels) return; // what ran is to stop, and that is all
    const { input, output, layers } = net, [height, width, channels] = input.shape;
    const switchAll = (on) => layers.forEach((l) => { l.off = (on && off[l.name]) || []; });
    const scores = () => {
      const y = output.output;
      if ((output.activation ?? "linear") !== "linear") return [...y];
      const top = Math.max(...y), powers = [...y].map((value) => Math.exp(value - top)), sum = powers.reduce((a, b) => a + b);
      return powers.map((power) => power / sum);
    };
    let before;
    if (Object.keys(off).length) {
      switchAll(false);
      yield* net.slices(pixels);
      before = scores();
    }
    switchAll(true);
    yield* net.slices(pixels);
    const outputs = layers.map((l) => l.output.slice()), found = scores();
    post({ id, outputs, scores: found, before }, outputs.map(({ buffer }) => buffer));
    if (view === "maps") return;
    const goal = target ?? found.indexOf(Math.max(...found));
    yield;
    if (view === "occlusion") {
      const total = new Float32Array(height * width), times = new Uint8Array(height * width);
      const starts = (length) => {
        const last = Math.max(length - patch, 0), all = [];
        for (let at = 0; at < last; at += Math.max(1, patch >> 1)) all.push(at);
        return [...all, last];
      };
      const rows = starts(height), columns = starts(width), all = rows.length * columns.length;
      let done = 0;
      for (const top of rows) {
        for (const left of columns) {
          const hidden = pixels.slice(), bottom = Math.min(top + patch, height), right = Math.min(left + patch, width);
          for (let y = top; y < bottom; y++) hidden.fill(128, (y * width + left) * channels, (y * width + right) * channels);
          yield* net.slices(hidden);
          const drop = found[goal] - scores()[goal];
          for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) total[y * width + x] += drop, times[y * width + x]++;
          done++;
        }
        post({ id, goal, done, all, rows: height, columns: width, heat: total.map((sum, i) => sum / (times[i] || 1)) });
      }
      return;
    }
    const { activation } = output;
    if (activation === "softmax") output.activation = "linear"; // the score before it: behind it a sure net has no gradient left
    const gradient = net.inputGradient(goal);
    output.activation = activation;
    if (view === "saliency") {
      const heat = new Float32Array(height * width);
      for (let i = 0; i < gradient.length; i++) heat[Math.floor(i / channels)] = Math.max(heat[Math.floor(i / channels)], Math.abs(gradient[i]));
      return post({ id, goal, rows: height, columns: width, heat });
    }
    const last = layers.findLast((l) => l.shape.length === 3), [rows, columns, c] = last.shape, { output: y, gradient: d } = last;
    const weights = new Float64Array(c), heat = new Float32Array(rows * columns);
    for (let i = 0; i < d.length; i++) weights[i % c] += d[i] / heat.length;
    for (let at = 0; at < heat.length; at++) {
      let sum = 0;
      for (let j = 0; j < c; j++) sum += weights[j] * y[at * c + j];
      heat[at] = Math.max(0, sum);
    }
    post({ id, goal, rows, columns, heat, layer: last.name });
  };
};

const { farthest, drawMaps, box, over, numbersTable, board } = feature, newCanvas = () => h("canvas"), look = (part) => ({ class: `cnnlib-look-${part}` });
const sidesOf = ({ shape }) => (shape.length === 3 ? shape : [1, 1]);
const span = (cells) => [cells[0], cells.at(-1) - cells[0] + 1];

// --- where a number comes from ---

// {value, lines, parts}: `parts` are maps that are read, with the window, its numbers, and what they are multiplied by.
function explain(net, outputs, l, channel, [row, column]) {
  const x = l.inputs[0], { kernel, bias, gamma, beta, moving_mean, moving_variance } = l.weights, flat = l.shape.length < 3;
  const at = (layer, c, y = row, z = column) => {
    const values = outputs[net.layers.indexOf(layer)];
    return layer.shape.length < 3 ? values[c] : values[(y * layer.shape[1] + z) * layer.channels + c];
  };
  const value = at(l, channel), number = x && at(x, channel);
  const say = (key, values) => fill(W.sums[key], { ...values, y: small(value) }, (v) => (typeof v === "number" ? factor(v) : v));
  const done = (lines, parts = []) => ({ value, lines: [lines].flat(), parts });
  const one = (layer, c = channel, y = row, z = column) => ({ layer, channel: c, rows: [y], columns: [z], numbers: [] });
  const activated = (sum) => ((l.activation ?? "linear") === "linear" ? [] : say("activation", { name: l.activation, x: sum }));
  const seen = flat ? { rows: [0], columns: [0] } : net.readWindow(l.name, row, column);
  const cells = seen.rows.flatMap((y) => seen.columns.map((z) => [y, z])), inside = ([y, z]) => flat || (y >= 0 && z >= 0 && y < x.shape[0] && z < x.shape[1]);
  const total = (list) => list.reduce((sum, part) => sum + part.sum, 0);
  switch (l.type) {
    case "InputLayer": return done(say("input"));
    case "Conv2D": case "Dense": {
      const c = x.channels, most = flat ? 5 : SHOWN, name = flat ? W.unitOf : W.mapOf;
      const all = count(c, (i) => {
        const numbers = cells.map((cell) => (inside(cell) ? at(x, i, ...cell) : 0)), weights = cells.map((_, n) => kernel[(n * c + i) * l.channels + channel]);
        return { layer: x, channel: i, ...seen, numbers, weights, pads: cells.map((cell) => !inside(cell)), sum: numbers.reduce((sum, v, n) => sum + v * weights[n], 0) };
      });
      const parts = c > most ? [...all].sort((a, b) => abs(b.sum) - abs(a.sum)).slice(0, most) : all, b = bias ? bias[channel] : 0, sum = total(all) + b;
      const terms = parts.map((part) => `${flat ? `${factor(part.numbers[0])} × ${factor(part.weights[0])}` : factor(part.sum)} (${fill(name, { map: part.channel })})`);
      if (c > most) terms.push(`${factor(total(all) - total(parts))} (${fill(flat ? W.otherUnits : W.others, { count: big(c - most) })})`);
      if (bias) terms.push(`${factor(b)} (${W.bias})`);
      return done([`${terms.join(" + ")} = ${small(sum)}`, activated(sum)].flat(), flat ? [] : parts);
    }
    case "BatchNormalization":
      return done(say("norm", { x: small(number), mean: moving_mean[channel], variance: moving_variance[channel], epsilon: l.epsilon, gamma: gamma?.[channel] ?? 1, beta: beta?.[channel] ?? 0 }), [one(x)]);
    case "MaxPooling2D": case "AveragePooling2D": {
      const there = cells.filter(inside), numbers = there.map((cell) => at(x, channel, ...cell)), largest = l.type === "MaxPooling2D";
      const [rows, columns] = [0, 1].map((axis) => [...new Set(there.map((cell) => cell[axis]))]);
      return done(say(largest ? "max" : "mean", { count: numbers.length }), [{ layer: x, channel, rows, columns, numbers, best: largest && numbers.indexOf(max(...numbers)) }]);
    }
    case "GlobalAveragePooling2D":
      return done(say("mean", { count: x.size / x.channels }), [{ ...one(x), rows: [0, x.shape[0] - 1], columns: [0, x.shape[1] - 1] }]);
    case "Flatten": {
      if (x.shape.length < 3) return done(say("copy", { map: channel, name: x.name }), [one(x)]);
      const map = channel % x.channels, place = floor(channel / x.channels), y = floor(place / x.shape[1]), z = place % x.shape[1];
      return done(say("flat", { map, row: y, column: z, name: x.name }), [one(x, map, y, z)]);
    }
    case "Add":
      return done(`${l.inputs.map((from) => `${factor(at(from, channel))} (${from.name})`).join(" + ")} = ${small(value)}`, l.inputs.map((from) => one(from)));
    case "Concatenate": {
      let map = channel, i = 0;
      while (map >= l.inputs[i].channels) map -= l.inputs[i++].channels;
      return done(say("copy", { map, name: l.inputs[i].name }), [one(l.inputs[i], map)]);
    }
    case "Rescaling": return done(say("rescale", { x: number, scale: l.scale, offset: l.offset }), [one(x)]);
    case "Activation": return done(l.activation === "softmax" ? say("other", { x: number }) : activated(number), [one(x)]);
    default: return done(say("dropout"), [one(x)]);
  }
}
export default {
  render({ model: traits, el }) {
    const engine = makeEngine(), get = (key) => traits.get(key), own = get("_own"), classes = get("_classes"), listed = get("_nets");
    const { labels, drawn, pixels: sampleText } = get("_samples"), bytes = Uint8Array.from(atob(sampleText), (c) => c.charCodeAt(0));
    let net, fresh, worker, seen = false, sent = 0, busy, again, answer, heat, stopped; // answer: the worker's for the picture
    let shape, photo = false; // of the net's input; whether the picture is the reader's own
    let layer, channel = 0, cell = [0, 0], spot, gone = false;

    const cellPart = (axis) => ["cell", () => cell[axis], (value) => cell.with(axis, value)];
    const model = ui.parts(traits, {
      place: ["layer", () => (net ? net.layers.indexOf(layer) : 0), (i) => {
        traits.set("channel", min(channel, net.layers[i].channels - 1));
        traits.set("cell", null);
        return net.layers[i].name;
      }],
      map: ["channel", () => channel, (i) => { traits.set("cell", null); return i; }],
      row: cellPart(0), column: cellPart(1),
      netName: ["net", (name) => name, (name) => {
        entries(FIRST).forEach(([key, value]) => traits.set(key, value));
        return name;
      }],
      goal: ["target", (target) => String(target ?? "best"), (text) => (text === "best" ? null : +text)],
    });
    const view = ui.view({ model, el, name: "look-inside" });
    const spotted = ([row, column]) => fill(W.cell, { row, column }), mapOf = () => fill(layer.shape.length < 3 ? W.unitIs : W.mapIs, { map: channel, last: layer.channels - 1 });
    // What is switched off: {item, name, c, l, there}
    const offs = () => get("off").map((item) => {
      const cut = item.lastIndexOf(":"), name = item.slice(0, cut), c = +item.slice(cut + 1), l = net.layers.find((one) => one.name === name);
      return { item, name, c, l, there: /^\d+$/.test(item.slice(cut + 1)) && c < l?.channels };
    });
    const label = (i) => (labels[i] >= 0 ? classes[labels[i]] : fill(W.number, { i: i + 1 }));

    // --- the net comes ---

    const waiting = h("p", look("wait"));
    const aboutNet = () => listed.find((one) => one.name === get("net"));
    function ask() {
      if (!seen) return;
      if (own) return use(own);
      const about = aboutNet(), held = waiting.contains(document.activeElement);
      answer = heat = undefined; // what is there is another net's
      pad.closeCamera();
      inside.hidden = true;
      put(waiting, fill(W.loading, { name: about.title, size: big(about.bytes / 1000, 0) }));
      waiting.hidden = false;
      if (held) home();
      if (net) view.say(waiting.textContent);
      traits.send({ file: `net-${about.name}` });
    }
    const home = () => el.querySelector("input").focus(); // for the focus of what has gone
    const receiveNet = ({ file, content }) => {
      if (gone || file !== `net-${get("net")}`) return;
      if (content) return use(content);
      put(waiting, fill(W.notLoaded, { name: aboutNet().title }), " ", ui.button(W.retry, ask));
      view.say(waiting.firstChild.textContent);
    };
    function refuse(why) {
      busy = waiting.hidden = false;
      put(waiting, `${W.notRun} ${why}`);
      view.say(waiting.textContent);
    }
    function use(description) {
      try {
        net = engine.load(description);
      } catch (error) {
        return refuse(error.message);
      }
      [fresh, answer, heat, layer] = [description, undefined, undefined, undefined];
      worker ??= startWorker(job, [makeEngine], { receive: take, fail: refuse });
      waiting.hidden = true;
      inside.hidden = false;
      const first = !shape;
      if (first) pad.size(shape = net.input.shape); // all recorded nets take pictures of one shape, and an own net stands alone
      normalise();
      buildStrip();
      if (first) showSample(); // and runs
      else run();
    }
    traits.on("msg:custom", receiveNet);

    // --- the picture ---

    const seenCanvas = newCanvas(), seenMarks = h("div"), padWords = h("p", look("note"));
    const pad = picturePad({ words: W, view, el, changed(kind) {
      const i = get("sample"), own = kind !== "sample";
      photo = own;
      drawPixels(seenCanvas, pad.pixels, shape);
      put(padWords, h("b", own ? W.own[kind] : fill(labels[i] >= 0 ? W.isLabel : W.isNumber, { label: label(i), i: i + 1 })), " ", own || drawn ? W.trust[kind] : "");
      run();
    } });
    function showSample() {
      if (!shape) return;
      const i = min(get("sample"), labels.length - 1), length = shape[0] * shape[1] * shape[2];
      pad.show(Float32Array.from(bytes.subarray(i * length, (i + 1) * length)));
    }

    // --- numbers come and go ---

    function run() {
      if (!net || !shape) return;
      if (busy) { again = true; return; }
      busy = true;
      inside.ariaBusy = "true";
      stopped = spot = undefined;
      const off = {};
      for (const { name, c, there } of offs()) if (there) (off[name] ??= []).push(c);
      const target = get("target") < classes.length ? get("target") : null;
      worker.post({ id: ++sent, description: fresh, pixels: pad.pixels, off, view: get("view"), target, patch: +get("patch") });
      fresh = undefined;
    }
    function take(message) {
      if (gone || message.id !== sent) return;
      if (message.outputs) {
        busy = false;
        inside.ariaBusy = "false";
        if (!fresh) { // it is of the net that is there
          answer = message;
          if (get("view") === "maps") heat = undefined;
          draw();
        }
        if (again) { again = false; run(); }
      } else if (!busy && !stopped) {
        heat = message;
        drawHeat();
      }
    }

    // --- scores ---

    const scores = h("table", look("scores"));
    function drawScores() {
      const { scores: now, before } = answer, best = largest(now), order = [...now.keys()];
      if (order.length > 12) order.sort((a, b) => now[b] - now[a]).splice(10);
      put(scores, h("caption", W.scores), h("thead", { class: "cnnlib-sr" }, h("tr", [W.class, W.score, W.change].map((word) => h("th", { scope: "col" }, word)))),
        h("tbody", order.map((i) => h("tr", { class: i === best && "best" }, h("th", { scope: "row" }, i === best ? "▸ " : "", classes[i]),
          h("td", h("span", { style: `--now:${100 * now[i]}%;--was:${100 * (before ?? now)[i]}%`, class: before && "was" }, percent(now[i]))),
          h("td", before && abs(now[i] - before[i]) >= 0.0005 ? `${now[i] > before[i] ? "▲ +" : "▼ −"}${big(100 * abs(now[i] - before[i]), 1)}` : "")))));
      const name = labels[get("sample")], right = !photo && name >= 0 ? (name === best ? W.right : fill(W.wrong, { label: classes[name] })) : "";
      put(verdict, fill(W.verdict, { name: classes[best], percent: percent(now[best]) }), " ", right);
    }
    const verdict = h("p", look("verdict"));

    // --- the strip: a column a layer ---

    const strip = h("div", { class: "cnnlib-look-strip", role: "group", tabindex: -1, "aria-label": W.strip }), links = svg("svg", { class: "links", "aria-hidden": "true" });
    let columns = [], measured;
    const watcher = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
      const column = columns.find(({ node }) => node === target);
      if (column && (column.near = isIntersecting)) drawColumn(column);
    }), { root: strip, rootMargin: "0px 200px" });
    // A column's maps, in rows of `wide`: as large as they may be in the strip's height, and not too wide.
    function layOut(l) {
      const maps = l.shape.length === 3, gap = +maps, { channels } = l, [rows, across] = sidesOf(l);
      let side = maps ? STRIP.side : min(14, max(3, floor(Math.sqrt(STRIP.high * 60 / channels)))), wide;
      for (;; side -= 2) {
        wide = ceil(channels / floor(STRIP.high / (side + gap)));
        if (!maps || wide * side <= STRIP.wide || side < 7) break;
      }
      const step = side + gap;
      return { rows, across, wide, side, gap, step, sides: [ceil(channels / wide) * step - gap, wide * step - gap], at: (c) => [floor(c / wide) * step, (c % wide) * step] };
    }
    const pick = (l, c = min(channel, l.channels - 1)) => view.set({ layer: l.name, channel: c, cell: null });
    const columnOf = (l) => columns.find((column) => column.l === l);
    function buildStrip() {
      watcher.disconnect();
      measured = false;
      columns = net.layers.map((l, i) => {
        const place = layOut(l), { step, wide, sides: [height, width] } = place, canvas = newCanvas(), marks = h("div");
        const head = h("button", { type: "button", tabindex: -1, click: () => pick(l), keydown: (event) => walk(event, i) },
          h("b", l.name), h("span", l.type), h("span", l.shape.join("×")));
        const maps = h("div", { class: "maps", style: `width:${width}px;height:${height}px`, click({ clientX, clientY }) {
          const { left, top } = maps.getBoundingClientRect(), c = floor((clientY - top) / step) * wide + floor((clientX - left) / step);
          if (c < l.channels) pick(l, c);
        } }, canvas, marks);
        return { l, place, canvas, marks, head, maps, node: h("div", { class: "column" }, head, maps) };
      });
      put(strip, links, columns.map(({ node }) => node));
      columns.forEach(({ node }) => watcher.observe(node));
      limit(placeControl, net.layers.length);
    }
    // Left and right go from layer to layer, up and down from map to map, Enter to the map's numbers.
    function walk(event, i) {
      const step = ARROWS[event.key], end = { Home: 0, End: columns.length - 1 }[event.key], enter = event.key === "Enter" && net.layers[i] === layer;
      if (!layer || event.altKey || event.ctrlKey || event.metaKey || !step && end === undefined && !enter) return;
      event.preventDefault();
      if (enter) return bigMap.focus();
      if (step?.[0]) return pick(layer, max(0, min(layer.channels - 1, channel + step[0])));
      const to = end ?? max(0, min(columns.length - 1, i + step[1]));
      pick(net.layers[to]);
      columns[to].head.focus();
    }
    const numbersOf = (l) => answer.outputs[net.layers.indexOf(l)];
    function drawColumn(column) {
      if (!answer || column.drawn === answer || !column.near) return;
      column.drawn = answer;
      const { l, place: { wide, rows, across, gap }, canvas } = column, values = numbersOf(l), c = l.channels;
      drawMaps(canvas, c, wide, rows, across, gap, farthest(values), (map, i) => values[i * c + map]);
    }
    function markColumns() {
      const off = offs();
      for (const { l, place: { at, side, sides }, marks, head } of columns) {
        const chosen = l === layer;
        const spots = off.filter((one) => one.l === l).map(({ c }) => svg("path", { class: "off", d: `M${at(c).reverse()}l${side} ${side}m0 ${-side}l${-side} ${side}` }));
        if (chosen) spots.push(box(...at(channel), side, side, "on"));
        put(marks, spots[0] && over(...sides, ...spots));
        head.tabIndex = chosen ? 0 : -1;
        head.ariaPressed = `${chosen}`;
      }
    }
    // From the maps that are read to the one that is shown
    function drawLinks() {
      put(links);
      if (!detail || mapsPart.hidden) return;
      if (!measured) { // asking where things stand makes the browser lay out the page: once for each strip and width
        measured = true;
        links.setAttribute("height", 0);
        links.setAttribute("width", strip.scrollWidth);
        links.setAttribute("height", strip.scrollHeight);
        for (const column of columns) Object.assign(column, { left: column.maps.offsetLeft, top: column.maps.offsetTop });
      }
      const end = (l, c, right) => {
        const { place: { at, side }, left, top } = columnOf(l), [y, x] = at(c);
        return [left + x + right * side, top + y + side / 2];
      };
      const [x1, y1] = end(layer, channel, 0), told = new Set(detail.parts.map((part) => `${part.layer.name}:${part.channel}`));
      const [x] = layer.inputs, wires = layer.type === "Conv2D" ? count(min(64, x.channels), (c) => ({ layer: x, channel: c })) : detail.parts;
      for (const { layer: l, channel: c } of wires) {
        const [x0, y0] = end(l, c, 1), bend = max(14, (x1 - x0) / 2);
        links.append(svg("path", { class: told.has(`${l.name}:${c}`) && "strong", d: `M${x0} ${y0}C${x0 + bend} ${y0} ${x1 - bend} ${y1} ${x1} ${y1}` }));
      }
    }

    // --- one map, one number ---

    const bigMap = board(W.map, (to) => view.set({ cell: to }), () => columnOf(layer).head.focus());
    const none = { min: 0, max: 0 };
    const placeControl = view.range("place", { ...none, format: (i) => net?.layers[i]?.name ?? "" });
    const mapControl = view.range("map", none), cellControls = ["row", "column"].map((key) => view.range(key, none));
    const limit = (control, many) => { control.querySelector("input").max = many - 1; };
    const heading = h("h3"), sum = h("div", look("sum")), parts = h("div", look("parts")), legend = h("p", muted);
    const offBox = h("input", { type: "checkbox", change() { switchOff(layer.name, channel, offBox.checked); } }), offWord = h("span");
    const offList = h("div", look("off"));
    let detail, shownLayer;
    function switchOff(name, c, off) {
      const item = `${name}:${c}`, others = get("off").filter((one) => one !== item);
      view.set({ off: off ? [...others, item] : others });
    }
    // Finds what the settings name; returns, in words, what is not there.
    function choose() {
      const wrong = [], note = (bad, key, values) => bad && wrong.push(fill(W[key], values)), named = net.layers.find((l) => l.name === get("layer"));
      layer = named ?? net.layers.find((l) => l.type === "Conv2D") ?? net.layers[0];
      note(get("layer") && !named, "noLayer", { name: get("layer") });
      const c = layer.channels, [rows, across] = sidesOf(layer), values = numbersOf(layer), wanted = get("cell");
      channel = get("channel");
      if (note(channel >= c, "noMap", { map: channel, name: layer.name, last: c - 1 })) channel = 0;
      const lost = wanted && (wanted[0] >= rows || wanted[1] >= across);
      note(lost, "noCell", { row: wanted?.[0], column: wanted?.[1], sides: `${rows}×${across}` });
      let best = 0;
      for (let i = 1; i < rows * across; i++) if (values[i * c + channel] > values[best * c + channel]) best = i;
      cell = wanted && !lost ? wanted : [floor(best / across), best % across];
      note(get("sample") >= labels.length, "noSample", { i: get("sample") + 1, last: labels.length });
      note(get("target") >= classes.length, "noClass", { i: get("target"), last: classes.length - 1 });
      for (const { item, there } of offs()) note(!there, "noOff", { item });
      return wrong;
    }
    const wrongBox = h("div", { class: "cnnlib-problem", hidden: true });

    function drawDetail() {
      const flat = layer.shape.length < 3, [rows, across] = sidesOf(layer), values = numbersOf(layer), c = layer.channels;
      detail = explain(net, answer.outputs, layer, channel, cell);
      limit(mapControl, c);
      cellControls.forEach((control, axis) => { limit(control, [rows, across][axis]); control.hidden = flat; });
      mapControl.querySelector("label").textContent = flat ? W.unit : W.map;
      model.refresh();
      put(heading, h("b", layer.name), ` ${layer.type}, ${mapOf()}`);
      bigMap.hidden = flat;
      const most = farthest(count(rows * across, (i) => values[i * c + channel]));
      if (!flat) {
        drawMaps(bigMap.canvas, 1, 1, rows, across, 0, most, (_, i) => values[i * c + channel]);
        bigMap.show(`${layer.name}, ${mapOf()}: ${spotted(cell)}: ${small(detail.value)}`, cell);
        put(legend, fill(W.legend, { most: small(most) }));
      } else put(legend);
      const off = get("off").includes(`${layer.name}:${channel}`);
      put(sum, h("p", h("b", flat ? fill(W.unitOf, { map: channel }) + (layer === net.output ? ` (${classes[channel]})` : "") : spotted(cell)), ": ", h("output", { "aria-live": "off" }, small(detail.value))), // view.news says it
        off ? h("p", W.isOff) : detail.lines.map((line) => h("p", { "data-sum": "" }, line)));
      put(parts, detail.parts.filter((part) => part.layer.shape.length > 2).map((part) => {
        const [y, tall] = span(part.rows), [x, wide] = span(part.columns), [r, s, d] = part.layer.shape, canvas = newCanvas(), from = numbersOf(part.layer);
        drawMaps(canvas, 1, 1, r, s, 0, farthest(from), (_, i) => from[i * d + part.channel]);
        const title = fill(W.partIs, { name: part.layer.name, map: part.channel });
        return h("figure", h("figcaption", title, part.sum !== undefined && h("span", ` ${fill(W.partSum, { sum: small(part.sum) })}`)),
          h("div", { class: "cnnlib-board" }, h("div", { class: "thumb" }, canvas, h("div", over(r, s, box(y, x, tall, wide, "on")))),
            part.numbers.length > 1 && numbersTable(fill(W.window, { title }), part.numbers, part.columns.length, part),
            part.weights && [h("span", "×"), numbersTable(fill(W.kernel, { title }), part.weights, part.columns.length)]));
      }));
      offBox.checked = off;
      offWord.textContent = fill(flat ? W.offUnit : W.off, { name: layer.name, map: channel });
      offLine.hidden = layer === net.output || layer === net.input;
      const field = net.fieldOf(layer.name, ...cell), [y, tall] = span(field.rows), [x, wide] = span(field.columns);
      put(seenMarks, over(shape[0], shape[1], box(y, x, tall, wide, "on")));
      put(fieldWords, fill(W.field, { rows: tall, columns: wide }));
      code.textContent = keras();
      markColumns();
      drawLinks();
      if (shownLayer === layer) return;
      shownLayer = layer;
      const { offsetLeft, offsetWidth } = columnOf(layer).node, room = strip.clientWidth;
      if (offsetLeft < strip.scrollLeft || offsetLeft + offsetWidth > strip.scrollLeft + room) strip.scrollLeft = offsetLeft + offsetWidth / 2 - room / 2;
    }
    const fieldWords = h("p", look("note"));
    const offLine = h("label", { class: "cnnlib-check" }, offBox, offWord);
    function drawOff() {
      put(offList, get("off").length > 0 && h("span", W.offNow), offs().map(({ name, c }) => {
        const what = fill(W.offName, { name, map: c });
        return ui.button(`${what} ✕`, () => { switchOff(name, c, false); offBox.focus(); }, // where it can be seen
          { "aria-label": fill(W.on, { name: what }) });
      }));
    }
    const code = h("code"), keras = () => {
      const settings = [own ? "model, classes=classes" : `net=${ui.python(get("net"))}`, `layer=${ui.python(layer.name)}`, `channel=${channel}`, layer.shape.length === 3 && `cell=(${cell.join(", ")})`,
        get("off").length && `off=${JSON.stringify(get("off")).replaceAll(",", ", ")}`, !photo && get("sample") > 0 && `sample=${get("sample")}`].filter(Boolean).join(", ");
      return fill(W.keras, { from: own ? ".from_model" : "", settings }) + (photo ? W.kerasPhoto : "");
    };

    // --- maps of the picture for one class ---

    const heatWords = h("p"), heatNumber = h("p", look("sum")), heatLegend = h("p", muted), progress = h("span", look("wait"));
    const stopButton = ui.button(W.cancel, () => {
      if (busy) return; // what runs now is another picture's, and does not begin with this map
      stopped = true;
      worker.post({});
      drawHeat();
      heatMap.focus();
      view.say(progress.textContent);
    });
    const blend = h("canvas", { role: "img", "aria-label": W.blend }), heatMap = board(W.heat, ([row, column]) => {
      if (!heat || heat.id !== answer?.id) return; // not computed yet
      spot = row * heat.columns + column;
      drawHeat();
    });
    const goal = view.select("goal", { best: W.best, ...fromEntries(classes.map((name, i) => [i, name])) });
    const patch = view.choice("patch", { 4: "4×4", 8: "8×8", 16: "16×16" });
    goal.lastChild.prepend(goal.lastChild.lastChild); // "the highest score" first: an object has its whole numbers in front
    function drawHeat() {
      const kind = get("view"), there = heat && answer && heat.id === answer.id;
      patch.hidden = kind !== "occlusion";
      if (kind === "maps") return;
      put(heatWords, fill(W.about[kind], { layer: heat?.layer ?? "" }));
      stopButton.hidden = !there || stopped || !(heat.done < heat.all);
      if (!there) return put(progress, W.working);
      const { rows, columns: across, heat: values, done, all } = heat, most = farthest(values) || 1, best = largest(values);
      const at = spot ?? best; // the largest, until the reader points at another one
      put(progress, done < all && fill(stopped ? W.stoppedAt : W.progress, { done, all }));
      drawMaps(heatMap.canvas, 1, 1, rows, across, 0, most, (_, i) => values[i]);
      const where = (i) => ({ row: floor(i / across), column: i % across });
      const unit = (x) => (kind === "occlusion" ? `${big(100 * x, 1)}\u00a0${W.points}` : small(x));
      heatMap.show(`${W.views[kind]}: ${fill(W.cell, where(at))}: ${unit(values[at])}`, Object.values(where(at)));
      put(heatNumber, fill(W.heatIs, { name: classes[heat.goal], ...where(at), value: unit(values[at]) }), " ", values[best] > 0 ? fill(W.heatMost, { ...where(best), value: unit(values[best]) }) : W.heatNone);
      put(heatLegend, fill(W[kind === "occlusion" ? "heatBoth" : "heatOne"], { most: unit(most) }));
      // The picture, darker where the heat is low
      Object.assign(blend, { width: shape[1] * 8, height: shape[0] * 8 });
      const b = blend.getContext("2d"), veil = Object.assign(newCanvas(), { width: across, height: rows }), image = new ImageData(across, rows);
      values.forEach((value, i) => { image.data[4 * i + 3] = 225 * (1 - Math.sqrt(max(0, value / most))); });
      veil.getContext("2d").putImageData(image, 0, 0);
      b.imageSmoothingEnabled = false;
      b.drawImage(seenCanvas, 0, 0, blend.width, blend.height);
      b.imageSmoothingEnabled = true;
      b.drawImage(veil, 0, 0, blend.width, blend.height);
      if (done === undefined || done === all) view.news(`${W.views[kind]}. ${heatNumber.textContent}`);
    }

    // --- all of it ---

    function draw() {
      if (!answer || answer.outputs.length !== net?.layers.length) return;
      const wrong = choose(), maps = get("view") === "maps", held = [wrongBox, offList].some((part) => part.contains(document.activeElement));
      wrongBox.hidden = !wrong[0];
      put(wrongBox, wrong.map((text) => h("p", text)), wrong[0] && view.mend(W.mend, () => ({ ...FIRST, sample: 0, target: null }), strip));
      mapsPart.hidden = !maps;
      heatPart.hidden = maps;
      drawScores();
      drawOff();
      if (held && !el.contains(document.activeElement)) home();
      columns.forEach(drawColumn);
      drawDetail();
      drawHeat();
      if (maps) view.news(`${verdict.textContent} ${heading.textContent}, ${sum.firstChild.textContent}`);
    }
    const mapsPart = h("div", look("maps"), h("p", muted, W.stripHow), strip, h("div", look("detail"),
      h("div", heading, h("div", { class: "cnnlib-controls" }, placeControl, mapControl, cellControls), bigMap, legend, offLine, fieldWords), h("div", sum, parts)));
    const heatPart = h("div", { class: "cnnlib-look-heat", hidden: true }, h("div", { class: "cnnlib-controls" }, goal, patch), heatWords, h("p", progress, " ", stopButton),
      h("div", look("pair"), h("figure", h("figcaption", W.heat), heatMap, heatLegend), h("figure", h("figcaption", W.blend), blend)), heatNumber);
    const figure = (word, node, ...more) => h("figure", h("figcaption", word), node, more);
    const normal = h("p", look("note"));
    const inside = h("div", { class: "cnnlib-look-all", hidden: true }, pad.acts, pad.problem,
      h("div", look("top"), figure(W.picture, pad.node, padWords), figure(W.sees, h("div", look("seen"), seenCanvas, seenMarks), normal), h("div", verdict, scores, offList)),
      wrongBox, view.choice("view", W.views), mapsPart, heatPart,
      h("details", h("summary", W.code), h("pre", code), view.copy(() => code.textContent)));
    const options = fromEntries(listed.map(({ name, title, accuracy }) => [name, fill(W.net, { name: title, percent: percent(accuracy) })]));
    el.append(h("div", { class: "cnnlib-controls" }, view.range("sample", { min: 0, max: labels.length - 1, format: label }), listed.length > 1 && view.select("netName", options)),
      waiting, inside);
    el.addEventListener("reset", showSample); // a photo is no setting

    const normalise = () => {
      const first = net?.layers[1];
      put(normal, fill(W.normal, { sides: shape?.join("×") ?? "" }), " ", first?.type === "Rescaling" ? fill(W.rescaled, { scale: abs(1 / first.scale - 255) < 1e-6 ? "1/255" : small(first.scale), offset: first.offset ? ` + ${factor(first.offset)}` : "" }) : W.plain);
    };
    view.watch(["net"], ask);
    view.watch(["sample"], showSample);
    view.watch(["off", "view", "target", "patch"], run);
    view.watch(["layer", "channel", "cell"], draw);
    // The net comes when the calculator does
    const begin = () => {
      sight.disconnect();
      seen = true;
      ask();
    };
    const sight = new IntersectionObserver((entries) => entries.some((entry) => entry.isIntersecting) && begin());
    put(waiting, W.whenSeen, " ", ui.button(W.start, begin));
    sight.observe(el);
    view.fit(strip, () => { measured = false; drawLinks(); });
    return () => {
      gone = true;
      pad.dispose();
      sight.disconnect();
      watcher.disconnect();
      worker?.terminate();
      traits.off("msg:custom", receiveNet);
      view.dispose();
    };
  },
};
