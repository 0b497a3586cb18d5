// A window moves over an input: which numbers are multiplied there, what their sum is, and who reads whom.
// DATA (conv_explorer.json) holds the presets, the largest settings and Play's pauses in ms; a picture's channel is one word a row, one base-36 digit a cell. The
// corner of "example" is the lecture notes' window; "digit" is a real scan, the first of the UCI set "Optical
// Recognition of Handwritten Digits" (CC BY 4.0); "photo" and "colour" are cut from the US Navy's portrait of Grace
// Hopper (public domain, matplotlib's sample grace_hopper.jpg), 16 levels.
const T = STRINGS["conv-explorer"], { common, stack } = STRINGS, { ARROWS, h, put, fill, same, count, pair, fold, python } = ui, { images, kernels: KERNELS, most: MOST, speeds: SPEEDS } = DATA;
const { LIMIT, grid, sum, show, factor, sides, sign, parse, digits, scaled, palette, makeBoard, painter, PAGES } = cells;
const DRAWN = 64; // the most cells on a side that fit
const SIDED = Object.keys(MOST).slice(0, 4); // settings with a number for each axis

const isWord = (value) => typeof value === "string";

const div = (kind, ...children) => h("div", { class: `cnnlib-conv-${kind}` }, ...children);

// --- what the settings stand for ---
// The lengths of nested lists; null where rows are not alike.
const shapes = new WeakMap(); // a setting's lists are asked often, and never change
const shape = (lists) => {
  if (!isList(lists)) return [];
  if (shapes.has(lists)) return shapes.get(lists);
  const inner = lists.map(shape), is = inner.every((one) => one && `${one}` === `${inner[0]}`) ? [lists.length, ...inner[0]] : null;
  shapes.set(lists, is);
  return is;
};
const ownSides = (lists) => (shape(lists) ?? [1, 1]).slice(0, 2);
const imageSize = (get) => pair(get("size") ?? images[get("image")]?.size ?? ownSides(get("image")));
// [channel][row][column]. Channels beyond the picture's own are its mirror images.
const readImage = (get) => {
  const image = get("image"), preset = images[image], size = imageSize(get), [rows, columns] = size;
  const own = preset ? preset.channels.map(digits)
    : count(shape(image)?.[2] ?? 1, (c) => image.map((row) => row.map((cell) => [cell].flat()[c] ?? 0)));
  return count(get("in_channels") ?? own.length, (c) => {
    const from = own[c % own.length], mirrored = floor(c / own.length);
    const cell = (i, j) => (!preset ? from[i]?.[j] ?? 0 : !preset.picture ? from[i % from.length][j % from[0].length]
      : rows === from.length && columns === from[0].length ? from[i][j] : scaled(from, i, j, rows, columns));
    return grid(size, (i, j) => cell(mirrored & 2 ? rows - 1 - i : i, mirrored & 1 ? columns - 1 - j : j));
  });
};
// The centre stays the centre; of an even side it is the cell that "same" padding takes for it.
const resize = (slice, size) => {
  const [down, right] = [slice.length, slice[0].length].map((old, i) => ((old - 1) >> 1) - ((size[i] - 1) >> 1));
  return grid(size, (i, j) => slice[i + down]?.[j + right] ?? 0);
};
// One slice for every channel. Blur, identity and sharpen keep the picture as bright as it is.
const presetSlice = (name, size, channels) => {
  const whole = name === "blur" ? grid(size, () => 1) : KERNELS[name], all = sum(whole) * channels || 1;
  return resize(whole, size).map((row) => row.map((w) => w / all));
};
const namesOf = (kernel) => (isWord([kernel].flat()[0]) ? [kernel].flat() : null);
const kernelSize = (get) => pair(get("kernel_size") ?? (namesOf(get("kernel")) ? 3 : ownSides(get("kernel"))));
// [filter][channel][row][column]
const readKernel = (get, channels) => {
  const kernel = get("kernel"), size = kernelSize(get), names = namesOf(kernel), [, , depth = channels, filters = 1] = shape(kernel) ?? [];
  if (names) return names.map((name) => count(channels, () => presetSlice(name, size, channels)));
  const weight = (a, b, c, f) => { const w = kernel[a]?.[b]; return [isList(w) ? w[c] : w].flat()[f] ?? 0; };
  return count(filters, (f) => count(depth, (c) => resize(grid(ownSides(kernel), (a, b) => weight(a, b, c, f)), size)));
};
const turned = (slice) => slice.map((row) => [...row].reverse()).reverse();
// The kernel trait of some filters, each a preset's name or [channel][row][column].
const asKernel = (filters, size, channels) => {
  if (filters.every((f) => isWord(f))) return filters[1] ? filters : filters[0];
  const all = filters.map((f) => (isWord(f) ? count(channels, () => presetSlice(f, size, channels)) : f));
  return all[1] || all[0][1] ? grid(size, (a, b) => all[0].map((_, c) => all.map((slices) => slices[c][a][b]))) : all[0][0];
};
// Zeros [[top, bottom], [left, right]]; the padding of one axis
const padSides = (p) => (isWord(p) ? [[0, 0], [0, 0]] : isList(pair(p)[0]) ? p : [pair(p), pair(p)]);
const axisPadding = (p, i) => (isWord(p) ? p : padSides(p)[i]);

// One axis of the layer. cells[b] is the input cell drawn at place b, undefined for a zero; spot(i) is cell i's place.
// windows[o] lists what output o multiplies: [place, weight]. Conv2DTranspose is drawn as a plain convolution: s - 1
// zeros between the cells, zeros around, the kernel turned, stride 1.
const makeAxis = (n, k, s, p, d, q, transposed) => {
  const o = transposed ? transposedOutputSize(n, k, s, p, q, d) : outputSize(n, k, s, p, d), K = effectiveKernelSize(k, d);
  const [zeros, after] = padAmounts(transposed ? o : n, k, s, p, d), before = transposed ? K - 1 - zeros : zeros;
  const all = transposed ? o + K - 1 : n + zeros + after, [step, stride] = transposed ? [s, 1] : [1, s];
  const windows = count(o, (i) => count(k, (t) => [i * stride + t * d, transposed ? k - 1 - t : t])), spot = (i) => before + i * step;
  // The two other directions: what reads a place, [output, weight]; what a weight meets, [place, output].
  const cells = Array(all).fill(undefined), readers = cells.map(() => []), meets = count(k, () => []);
  for (let i = 0; i < n; i++) cells[spot(i)] = i;
  windows.forEach((window, o) => window.forEach(([b, t]) => { readers[b].push([o, t]); meets[t].push([b, o]); }));
  const unread = cells.filter((i) => windows[0] && i !== undefined && !readers[spot(i)][0]);
  const fed = windows.filter((window) => window.some(([b]) => cells[b] !== undefined)).length; // outputs that meet an input cell
  return { n, s, before, after: all - n - before, all, windows, spot, cells, readers, meets, unread, fed,
    first: floor((before - ((K - 1) >> 1)) / stride) }; // the output whose middle lies on the first input cell
};

// The layer's numbers: sides, [rows, columns] of each, channels and filters.
const readLayer = (get) => {
  const kernel = get("kernel"), names = namesOf(kernel), [, , depth, filters = 1] = shape(kernel) ?? [];
  const bias = get("bias"), s = pair(get("strides")), d = pair(get("dilation_rate"));
  const channels = get("in_channels") ?? images[get("image")]?.channels.length ?? shape(get("image"))?.[2] ?? 1;
  return { names, channels, depth: names ? channels : depth ?? channels, filters: names ? names.length : filters,
    biases: isList(bias) ? bias.length : 0, size: imageSize(get), k: kernelSize(get), s, p: get("padding"), d, q: pair(get("output_padding")),
    transposed: get("transposed"), refused: max(...s) > 1 && max(...d) > 1 };
};
// Why the settings give no output; "" where they do.
const problemOf = (get) => {
  const { s, d, p, k, q, size, channels, depth, filters, biases, transposed, refused } = readLayer(get), axes = [0, 1];
  if (![get("image"), get("kernel")].every(shape)) return T.ragged;
  if (depth !== channels) return fill(T.depths, { depth, channels });
  if (biases && biases !== filters) return fill(T.biases, { biases, filters });
  if (transposed && !isWord(p)) return T.noExplicit;
  if (transposed && refused) return common.refused;
  const covers = axes.map((i) => effectiveKernelSize(k[i], d[i]));
  if (transposed) {
    for (const i of axes) {
      if (q[i] >= s[i]) return fill(common.notBelow, { q: q[i], s: s[i] });
      if (p === "same" && q[i] === 0 && covers[i] % 2 === 0) return fill(common.evenSame, { K: covers[i] });
      if (transposedOutputSize(size[i], k[i], s[i], p, q[i], d[i]) + covers[i] - 1 > DRAWN) return fill(T.tooLarge, { most: DRAWN });
    }
    return "";
  }
  const total = axes.map((i) => size[i] + sum([padAmounts(size[i], k[i], s[i], axisPadding(p, i), d[i])]));
  const long = axes.find((i) => covers[i] > total[i]);
  return long === undefined ? "" : fill(T.tooLong, { axis: T.axes[long], K: covers[long], total: total[long] });
};
// Single changes that mend it, of each kind the smallest.
const repairs = (get) => {
  const { k, d, s, size, depth } = readLayer(get), up = (key) => count(MOST[key], (i) => i + 1);
  const sidesTo = (key, sides, choose, values) => values.map((value) => ({ [key]: fold(sides.map((side) => choose(side, value))) }));
  const smaller = (key, sides) => sidesTo(key, sides, min, up(key).reverse());
  return [smaller("kernel_size", k), smaller("dilation_rate", d), smaller("strides", s), sidesTo("size", size, max, up("size")), smaller("size", size),
    [{ padding: "valid" }], [{ padding: "same" }], up("padding").map((padding) => ({ padding })), [{ output_padding: null }], [{ in_channels: depth }], [{ bias: 0 }],
  ].map((changes) => changes.find((change) => !problemOf((key) => (key in change ? change[key] : get(key))))).filter(Boolean);
};
// All that is drawn but the output.
const plan = (get, x) => {
  const layer = readLayer(get), { p, k, s, d, q, size, filters, transposed } = layer, problem = problemOf(get), stored = readKernel(get, x.length), bias = get("bias");
  const [down, across] = count(2, (i) => problem ? makeAxis(size[i], size[i], 1, "valid", 1) : makeAxis(size[i], k[i], s[i], axisPadding(p, i), d[i], q[i], transposed));
  return { ...layer, problem, x, stored, w: get("flip") ? stored.map((slices) => slices.map(turned)) : stored, down, across,
    bias: isList(bias) ? bias : Array(filters).fill(bias), padded: x.map((image) => down.cells.map((r) => across.cells.map((c) => image[r]?.[c]))) };
};
// [filter][row][column]. A weight's products are added to a whole row of outputs at a time: their places are a stride apart.
const convolve = ({ padded, w, bias, down, across }) => {
  const images = padded.map((image) => image.map((row) => new Float64Array(row.map((x) => x ?? 0)))), { windows } = across;
  const stride = windows[1] ? windows[1][0][0] - windows[0][0][0] : 1;
  return w.map((slices, f) => down.windows.map((rows) => {
    const totals = new Float64Array(windows.length).fill(bias[f]);
    slices.forEach((slice, c) => rows.forEach(([place, a]) => windows[0].forEach(([start, b]) => {
      const row = images[c][place], weight = slice[a][b];
      for (let r = 0, at = start; r < totals.length; r++, at += stride) totals[r] += row[at] * weight;
    })));
    return [...totals];
  }));
};

const kerasCode = ({ w, s, d, p, k, q, size, transposed, bias, y }) => {
  const explicit = !isWord(p), ends = padSides(p).map(fold), filters = w.length, channels = w[0].length;
  // Conv2DTranspose has its filters before its channels.
  const numbers = grid(k, (a, b) => transposed ? w.map((slices) => slices.map((slice) => slice[a][b]))
    : w[0].map((_, c) => w.map((slices) => slices[c][a][b])));
  const zeros = ends.every(Number.isInteger) ? fold(ends) : padSides(p);
  return fill(T.keras, { type: T.types[+transposed], filters, k: python(fold(k)), s: python(fold(s)), p: explicit ? "valid" : p,
    d: python(fold(d)), more: transposed && q[0] !== null ? fill(T.kerasMore, { q: python(fold(q)) }) : "", input: python([...size, channels]), zeros: explicit ? fill(T.kerasZeros, { zeros: python(zeros) }) : "",
    output: python([null, y[0].length, y[0][0].length, filters]), numbers: numbers.flat(3).map((x) => Number(x.toPrecision(8))).join(", "),
    shape: python([...k, ...(transposed ? [filters, channels] : [channels, filters])]), layout: T.layout[+transposed], bias: bias.join(", ") });
};

export default {
  render({ model, el }) {
    const get = (key) => model.get(key), view = ui.view({ model, el, name: "conv-explorer" });
    // A cell is {board, i, j}. hot: the one that the reader points at. told: nothing is said before the first drawing is done.
    let hot = null, apart = false, timer, told = false, width = el.clientWidth - 30, last = 0, seen, cell, picture, legend, shades;
    let inputs, kernels, outputs, boards = [];
    const made = {}; // every board so far, by kind, channel and filter; the rows that they stand in
    let { x, w, stored, s, d, p, k, q, size, names, refused, transposed, bias, problem, down, across, padded } = plan(get, readImage(get)), y; // see plan()
    const preset = () => images[get("image")]; // undefined for own numbers
    const tell = (text) => { if (told && !timer) view.say(text); };

    // --- parts of settings, for the controls: [trait, read, write] ---
    const table = {}, zeros = () => padSides(get("padding")).flat();
    const filtersNow = () => names ?? stored, setFilters = (filters) => asKernel(filters, k, x.length);
    SIDED.forEach((key) => count(2, (axis) => {
      const both = () => ({ size, kernel_size: k })[key] ?? pair(get(key));
      table[key + axis] = [key, () => both()[axis], (value) => (apart ? fold(both().map((old, i) => (i === axis ? value : old))) : value)];
    }));
    count(2, (i) => { // left to Keras in both axes, or in none
      table[`output_padding${i}`] = ["output_padding", () => `${q[i] ?? ""}`, (text, old) => (text === "" ? null : apart && old !== null ? fold(q.with(i, +text)) : +text)];
    });
    count(4, (i) => {
      table[`padding${i}`] = ["padding", () => zeros()[i], (value) => {
        const [top, bottom, left, right] = zeros().map((old, side) => (side === i || !apart ? value : old));
        return top === left && bottom === right ? fold([top, bottom]) : [[top, bottom], [left, right]];
      }];
      table[`kernel${i}`] = ["kernel", () => (names ? names[i] : "own"), (name) => setFilters(filtersNow().map((old, f) => (f === i ? name : old)))];
    });
    Object.assign(table, {
      mode: ["padding", (p) => (isWord(p) ? p : "explicit"), (mode) => (mode === "explicit" ? 1 : mode)],
      picture: ["image", (image) => (images[image] ? image : "own"), (name) => name],
      channels: ["in_channels", () => x.length, (n) => n],
      filters: ["kernel", () => w.length, (n) => {
        const used = filtersNow(), free = Object.keys(KERNELS).filter((name) => name !== "example" && !used.includes(name));
        return setFilters([...used, ...free].slice(0, n));
      }],
      bias: ["bias", (bias) => pair(bias)[get("filter")] ?? pair(bias)[0],
        (value, old) => (isList(old) ? old.map((b, f) => (f === get("filter") ? value : b)) : value)],
    });
    const parts = ui.parts(model, table), controls = view.controls(parts, T);

    // --- cells ---
    const is = (a, b) => a?.board === b?.board && a?.i === b?.i && a?.j === b?.j;
    const value = ({ board, i, j }) => board.numbers[i]?.[j];
    const current = () => {
      const place = min(get("position"), last), wide = across.windows.length;
      return { board: outputs[min(get("filter"), outputs.length - 1)], i: floor(place / wide), j: place % wide };
    };
    // The pinned setting names cells of the input itself; null where there is no such cell.
    const pinned = () => {
      const [kind, i, j, channel, filter] = get("pinned") ?? [];
      if (!kind || !y) return null;
      if (kind === "output") return current();
      const c = kind === "input" ? { board: inputs[channel ?? 0], i: down.spot(i), j: across.spot(j) }
        : { board: kernels[filter ?? 0]?.[channel ?? 0], i, j };
      return c.board && !isZero(c) ? c : null;
    };
    const home = ({ board, i, j }) => (board.kind === "input" ? [down.cells[i], across.cells[j]] : [i, j]);
    const isZero = (c) => value(c) === undefined;
    const channelName = (c) => (!x[1] ? "" : get("image") === "colour" && x.length === 3 ? T.colours[c] : fill(T.channel, { i: c + 1 }));
    const filterName = (f) => (w[1] ? fill(T.filterName, { i: f + 1 }) : "");
    const nameOf = (c) => {
      const { kind, channel, filter } = c.board, [i, j] = home(c), name = isZero(c) ? T.zero : fill(T.cell, { row: i + 1, column: j + 1 });
      return [name, kind !== "output" && channelName(channel), kind !== "input" && filterName(filter)].filter(Boolean).join(", ");
    };
    const release = () => view.set({ pinned: null });
    const pin = (c) => {
      const { kind, channel, filter } = c.board;
      hot = null;
      if (is(pinned(), c)) return release();
      if (kind === "output") return view.set({ position: c.board.at(c.i, c.j), filter, pinned: [kind] });
      if (isZero(c)) hot = c; // no number of the reader's: shown, not kept
      view.set({ pinned: hot ? null : [kind, ...home(c), channel, ...(kind === "input" ? [] : [filter])] });
      move();
    };

    // --- what a cell touches, board -> cell number -> [class, note], and its own formula, in lines ---
    const each = (rows, columns, use) => rows.forEach(([p, a]) => columns.forEach(([q, b]) => use(p, a, q, b)));
    const touched = ({ board, i, j }) => {
      const marks = new Map(boards.map((one) => [one, new Map()])), { channel, filter } = board;
      const add = (one, p, q, kind, weight) => marks.get(one).set(one.at(p, q), [kind, cell.notes && weight !== undefined ? show(weight) : ""]);
      if (board.kind === "output") {
        each(down.windows[i], across.windows[j], (p, a, q, b) => inputs.forEach((input, c) => {
          add(input, p, q, "in", w[filter][c][a][b]);
          if (input.numbers[p][q] !== undefined) add(kernels[filter][c], a, b, "on");
        }));
      } else if (board.kind === "input") {
        each(down.readers[i], across.readers[j], (o, a, r, b) => outputs.forEach((output, f) => {
          add(output, o, r, "in", w[f][channel][a][b]);
          add(kernels[f][channel], a, b, "on");
        }));
      } else each(down.meets[i], across.meets[j], (p, o, q, r) => { add(inputs[channel], p, q, "in"); add(outputs[filter], o, r, "in"); });
      add(board, i, j, "hot");
      return marks;
    };
    const joined = (list) => list.flatMap((item, i) => (i ? [" + ", item].flat() : item));
    const outputFormula = ({ board, i, j }) => {
      const { filter } = board, lines = [], parts = [], exact = [];
      inputs.forEach(({ numbers, channel }) => {
        const terms = [], used = [];
        let total = 0;
        each(down.windows[i], across.windows[j], (p, a, q, b) => {
          const number = numbers[p][q], weight = w[filter][channel][a][b];
          if (number === undefined && transposed) return; // the spread input's zeros are only a way to draw it
          terms.push([`${factor(weight)}·`, number === undefined ? h("u", "0") : factor(number)]);
          used.push(weight, number ?? 0);
          total += weight * (number ?? 0);
        });
        if (!x[1]) { parts.push(...terms); exact.push(...used); }
        else if (terms[0]) {
          lines.push([`${channelName(channel)}: `, ...joined(terms), ` ${sign([...used, total])} ${show(total)}`]);
          parts.push([factor(total)]);
          exact.push(total);
        }
      });
      const result = board.numbers[i][j], b = bias[filter];
      return [...lines, [...joined([...parts, [`${T.inSum} ${factor(b)}`]]), ` ${sign([result, b, ...exact])} `, h("b", show(result))]];
    };
    // The first products, by the place of the output that they go into.
    const list = (items) => items.slice(0, 49).join("; ") + (items[49] ? fill(T.more, { rest: items.length - 49 }) : "");
    const product = (o, r, w, x) => `(${o + 1}, ${r + 1}): ${factor(w)}·${factor(x)}`;
    const inputFormula = (c) => {
      return w.map((slices, f) => {
        const items = [];
        each(down.readers[c.i], across.readers[c.j], (o, a, r, b) => items.push(product(o, r, slices[c.board.channel][a][b], value(c) ?? 0)));
        return `${filterName(f)} ${list(items)}`;
      });
    };
    const weightFormula = (c) => {
      const items = [], { numbers } = inputs[c.board.channel], weight = value(c);
      each(down.meets[c.i], across.meets[c.j], (p, o, q, r) => { if (numbers[p][q] !== undefined) items.push(product(o, r, weight, numbers[p][q])); });
      // "2·r − 1": where output r finds the weight's input, or in a transposed layer where input r finds its output
      const where = [[down, c.i, d[0], "r"], [across, c.j, d[1], "c"]].map(([{ s, before, meets }, t, rate, letter]) => {
        const add = t * rate + 1 - s - (transposed ? rate * (meets.length - 1) - before : before);
        return `${s > 1 ? `${s}·` : ""}${letter}${add ? ` ${add < 0 ? "−" : "+"} ${abs(add)}` : ""}`;
      }).join(", ");
      return [fill(T[transposed ? "stamps" : "takes"], { weight: factor(weight), where }), list(items)];
    };
    const headline = (c) => {
      const name = nameOf(c), { kind } = c.board, ways = kind === "input" ? "readers" : "meets";
      if (kind === "output") return fill(T.sum, { cell: name });
      const uses = down[ways][c.i].length * across[ways][c.j].length, now = { cell: name, value: show(value(c) ?? 0), uses };
      if (kind === "weight") return fill(T.weightIs, now);
      return fill(isZero(c) ? T.zeroIs : T.inputIs, now) + fill(uses ? T.readBy : T.readByNone, now);
    };

    // --- drawing ---
    const build = () => {
      const now = [x.length, w.length, w[0].length];
      if (same(seen, now)) return;
      seen = now;
      hot = null;
      // A board that was there before comes back with its cells.
      const board = (kind, channel, filter) =>
        (made[[kind, channel, filter]] ??= makeBoard(`cnnlib-conv-board cnnlib-conv-${kind}`, { kind, channel, filter }));
      inputs = x.map((_, c) => board("input", c, 0));
      kernels = w.map((slices, f) => slices.map((_, c) => board("weight", c, f)));
      outputs = w.map((_, f) => board("output", 0, f));
      boards = [...inputs, ...kernels.flat(), ...outputs];
      // What stays is not moved: to take thousands of cells off the page and put them back takes long.
      const set = (parent, list) => {
        list.forEach((one, i) => { if (parent.children[i] !== one) parent.insertBefore(one, parent.children[i]); });
        while (parent.children[list.length]) parent.lastChild.remove();
        return parent;
      };
      const row = (key, ...list) => set(made[key] ??= div("row"), list), elements = (some) => some.map(({ element }) => element);
      const filters = outputs.map(({ element }, f) => row(`row ${f}`, row(`weights ${f}`, ...elements(kernels[f])), element));
      set(stage, [row("inputs", ...elements(inputs), together), set(made.filters ??= div("filters"), filters)]);
    };
    // How large a cell can be.
    const measure = () => {
      const many = x.length, room = max(width, 240), all = across.all, out = across.windows.length;
      const kernel = (side) => max(k[1] * max(side, 30) + 6, 100);
      const largest = (wide) => { let side = 40; while (side > 4 && wide(side) > room) side--; return side; };
      const column = (side) => all * side + 38 + max(kernel(side), w[1] ? 0 : out * side); // the output below the kernel
      let side = many > 1 ? 4 : largest((side) => all * side + kernel(side) + max(out * side, 100) + 66); // all in a line
      if (many === 1 && side < 28 && !w[1]) side = max(side, largest(column));
      const enough = all > 12 || preset()?.picture ? 6 : 20; // few numbers shall be legible
      for (let n = many + (many === 3); side < enough && n; n--) side = max(side, largest((side) => n * (all * side + 16))); // n channels in a line
      const weight = max(side, 30), slices = many > 1 ? many * (k[1] * weight + 16) : kernel(side), beside = many === 1 && column(side) <= room;
      cell = { side, weight, notes: side > 28, inline: beside || slices + out * side + 24 <= room };
      entries({ cell: side, weight, least: slices }).forEach(([name, now]) => stage.style.setProperty(`--${name}`, `${now}px`));
      const kinds = ["stage", beside && "beside", cell.inline && "sums", side < 18 && "small"];
      stage.className = kinds.filter(Boolean).map((kind) => `cnnlib-conv-${kind}`).join(" ");
    };
    const paint = () => {
      const { level, text, coloured, legible, signed, most } = painter(cell.side, padded, preset()?.picture);
      const all = [down.all, across.all], many = x.length > 1;
      const inputName = fill(T.input, { sides: sides(size) }) + (same(all, size) ? "" : fill(transposed ? T.spread : T.padded, { all: sides(all) }));
      const draw = (board, name, heading, ...rest) => {
        const part = board.kind === "output" ? filterName(board.filter) : channelName(board.channel);
        board.draw(heading, part ? `${name}, ${part}` : name, ...rest);
      };
      // Two lines over boards that stand in a row; the first of them bears the name.
      const heading = (name, c) => (many ? `${c ? "\u00a0" : name}\n${channelName(c)}` : name);
      const look = (v, i, j) => (v !== undefined && (down.unread.includes(down.cells[i]) || across.unread.includes(across.cells[j])) ? `unread ${level(v)}` : level(v));
      inputs.forEach((board, c) => draw(board, inputName, heading(inputName, c), padded[c], look, text, [down.before, across.before], legible ? null : shades));
      kernels.flat().forEach((board) => {
        const { filter, channel } = board, slice = w[filter][channel], own = painter(cell.weight, slice);
        const name = fill(w[1] ? T.filter : T.kernel, { i: filter + 1, sides: sides(k) }) + (get("flip") ? T.turned : "");
        draw(board, name, heading(name, channel), slice, own.level, own.text);
      });
      outputs.forEach((board, f) => {
        const numbers = y?.[f] ?? [], own = painter(cell.side, numbers, coloured);
        const name = y ? fill(T.output, { sides: sides([numbers.length, numbers[0].length]) }) : T.noOutput;
        draw(board, name, many && cell.inline ? `${name}\n\u00a0` : name, numbers, own.level, own.text,
          [down.first, across.first], own.legible ? null : shades);
      });
      legend = coloured && fill(T.legend, { most: show(most) });
      together.hidden = !coloured || signed || x.length !== 3 || preset() && get("image") !== "colour";
      if (together.hidden) return;
      const canvas = together.lastChild, pixels = grid(size, (i, j) => [...x.map((image) => (image[i][j] * 255) / most), 255]).flat(2);
      [canvas.height, canvas.width] = size;
      canvas.style.width = `${size[1] * cell.side}px`;
      canvas.getContext("2d").putImageData(new ImageData(Uint8ClampedArray.from(pixels), size[1]), 0, 0);
    };
    // The words around the boards, the code, which controls there are.
    const explain = () => {
      const product = (read) => read(down) * read(across), all = product(({ n }) => n), unread = all - product((axis) => axis.n - axis.unread.length);
      const lone = product((axis) => axis.windows.length) - product((axis) => axis.fed), cells = (axis) => axis.unread.map((i) => i + 1).join(", ") || T.none;
      const own = preset()?.channels.length ?? x.length;
      if (problem) play(false);
      if (problem) offer(problem, repairs(get));
      else offer(refused ? `${common.refused} ${T.refused}` : "", refused ? [{ strides: 1 }, { dilation_rate: 1 }] : []);
      player.hidden = formula.hidden = code.hidden = !y;
      notes.textContent = [
        y && T.point,
        !transposed && (down.all > down.n || across.all > across.n) &&
          fill(T.padding, { top: down.before, bottom: down.after, left: across.before, right: across.after }),
        transposed && y && fill(T.transposedNote, { rows: s[0] - 1, columns: s[1] - 1 }),
        transposed && y && max(...d) > 1 && T.noCpu,
        legend,
        unread && fill(T.unread, { unread, all, rows: cells(down), columns: cells(across) }),
        lone && fill(T.lone, { lone }),
        x[1] && names && (names.some((name) => sum(KERNELS[name])) ? T.sameScaled : T.sameSlice),
        x.length > own && fill(T.mirrored, { own }),
        y && !transposed && (get("flip") ? T.flipped : T.straight),
      ].filter(Boolean).join(" ");
      script.textContent = y ? kerasCode({ w, s, d, p, k, q, size, transposed, bias, y }) : "";
      apart ||= [size, k, s, d, q, padSides(p), ...padSides(p)].some(([a, b]) => !same(a, b));
      apartBox.checked = apart;
      const label = (control, text, there) => { put(control.firstChild, text); control.hidden = !there; };
      SIDED.forEach((key) => ranges[key].forEach((control, i) => label(control, T[key] + (apart || i ? T.axisOf[i] : ""), apart || !i)));
      const zerosAt = [stack.top, stack.bottom, stack.left, stack.right];
      pads.forEach((control, i) => label(control, apart || i ? zerosAt[i] : T.zeros, !isWord(p) && (apart || !i)));
      extras.forEach((control, i) => label(control, stack.output_padding + (apart || i ? T.axisOf[i] : ""), transposed && (apart || !i)));
      presets.forEach((control, f) => label(control, w[1] || f ? fill(T.filterPreset, { i: f + 1 }) : T.preset, f < w.length));
      parts.refresh();
    };
    // Says what is wrong, and offers the changes that mend it.
    const offer = (text, changes) => {
      const name = ([key, to]) => (key === "padding" && to > 0 ? `ZeroPadding2D(${to})` : `${key}=${python(to)}`);
      box.hidden = !text;
      put(box, text, changes[0] ? ` ${T.mends}` : "", h("p", changes.map((change) =>
        view.mend(entries(change).map(name).join(", "), () => change, { focus() { (player.hidden ? box.querySelector("button") : slider)?.focus(); } }))));
      if (problem) tell(text);
    };
    const draw = () => {
      shades ??= palette(stage);
      const of = JSON.stringify(["image", "size", "in_channels"].map(get));
      if (picture?.of !== of) picture = { of, x: readImage(get) }; // the input's numbers stay while their settings do
      ({ x, w, stored, s, d, p, k, q, size, names, refused, transposed, bias, problem, down, across, padded } = plan(get, picture.x));
      y = problem ? null : convolve({ padded, w, bias, down, across });
      last = down.windows.length * across.windows.length - 1;
      if (y) view.set({ position: min(get("position"), last), filter: min(get("filter"), w.length - 1) });
      build();
      measure();
      paint();
      explain();
      move();
    };
    const retheme = (anyway) => {
      const old = shades;
      shades = palette(stage);
      if (anyway || shades !== old) draw();
    };
    // What one step of the window, or the reader's hand, changes.
    const move = () => {
      const held = pinned();
      edit.hidden = !held;
      if (!y) return boards.forEach((board) => board.mark(new Map()));
      const here = current(), c = held ?? (hot && !timer && hot.board.numbers[hot.i]?.length > hot.j ? hot : here);
      touched(c).forEach((marks, board) => board.mark(marks));
      const lines = { output: outputFormula, input: inputFormula, weight: weightFormula }[c.board.kind](c);
      put(formula, (c.board.kind === "output" ? lines : ["", ...lines]).map((line, i) => h("p", i ? null : `${headline(c)} `, line)));
      formula.tabIndex = formula.textContent.length > 300 ? 0 : -1; // a long one scrolls inside its box
      if (held) {
        put(edit.firstChild.firstChild, fill(T.pinned, { kind: T.kinds[held.board.kind], cell: nameOf(held) }));
        field.hidden = held.board.kind === "output";
        if (!field.matches(":focus")) restore();
      }
      const { board } = here, place = board.at(here.i, here.j);
      if (!board.table.contains(document.activeElement)) board.stopAt(place);
      slider.max = last;
      slider.value = place;
      put(scrub.lastChild, counter(place));
      slider.ariaValueText = fill(T.said, { cell: nameOf(here), sum: show(value(here)) });
      tell(is(c, here) ? slider.ariaValueText : headline(c));
    };

    // --- the reader's hand ---
    const point = (c) => {
      if (is(hot, c)) return;
      hot = c;
      if (!timer && y && !pinned()) move();
    };
    const editable = (c) => y && c.board.kind !== "output" && !isZero(c);
    const change = (c, to) => {
      const { kind, channel, filter } = c.board, [i, j] = home(c);
      const edited = (rows) => rows.map((row, a) => row.map((old, b) => (a === i && b === j ? to : old)));
      if (kind === "input") {
        const all = x.map((image, c) => (c === channel ? edited(image) : image));
        return view.set({ image: x[1] ? grid(size, (a, b) => all.map((image) => image[a][b])) : all[0], size: null, in_channels: null });
      }
      const back = (slice) => (get("flip") ? turned(slice) : slice);
      const all = w.map((slices, f) => slices.map((slice, c) => back(f === filter && c === channel ? edited(slice) : slice)));
      view.set({ kernel: asKernel(all, k), kernel_size: null });
    };
    const step = (c, by) => change(c, max(-LIMIT, min(LIMIT, value(c) + by)));
    // A bad entry leaves the last number in force.
    const judge = () => {
      const to = parse(field.value), bad = Number.isNaN(to), c = pinned();
      field.ariaInvalid = bad;
      wrong.hidden = !bad;
      if (bad) tell(wrong.textContent = fill(T.wrong, { text: field.value, last: show(value(c)), limit: LIMIT }));
      else change(c, to);
    };
    const restore = () => {
      const c = pinned();
      field.ariaInvalid = false;
      wrong.hidden = true;
      if (c) field.value = show(value(c));
    };
    const back = (c) => c?.board.focus(c.i, c.j);
    const find = (target) => {
      const td = target.closest("td");
      return td && { board: td.closest("table").board, i: td.parentNode.rowIndex, j: td.cellIndex };
    };
    const keys = (event) => {
      const { key } = event, c = find(event.target), [down, right] = ARROWS[key] ?? [];
      if (!c || event.ctrlKey || event.metaKey || event.altKey) return;
      if (ARROWS[key]) {
        const { numbers } = c.board, i = c.i + down, j = c.j + right;
        if (numbers[i] && j in numbers[i]) c.board.focus(i, j);
      } else if (key === "Enter" || key === " ") { if (y) pin(c); }
      else if (PAGES[key] && editable(c)) { step(c, PAGES[key]); event.target.ariaLabel = null; }
      else if (/^[\d.,+-]$/.test(key) && editable(c)) {
        if (!is(pinned(), c)) pin(c);
        field.value = key;
        field.focus();
        judge();
      } else return;
      event.preventDefault();
    };
    const field = h("input", { autocomplete: "off", size: 7, input: judge, change: restore, keydown({ key }) { if (key === "Enter") back(pinned()); } });
    const edit = div("edit", h("label", h("span"), " ", field), ui.button(T.release, () => { back(pinned()); release(); }));
    const together = div("board", h("div", `\u00a0\n${T.together}`), h("canvas", { role: "img", "aria-label": T.together }));
    const stage = h("div", { class: "cnnlib-conv-stage",
      pointerover({ target, pointerType }) { if (pointerType !== "touch") point(find(target)); },
      pointerleave() { point(null); },
      transitionrun({ target }) { if (target === stage) retheme(); }, // see the style sheet
      click({ target }) { const c = find(target); if (c && y) { back(c); pin(c); } },
      focusin({ target }) {
        const c = find(target);
        if (!c) return;
        c.board.stopAt(c.board.at(c.i, c.j));
        target.ariaLabel = `${nameOf(c)}: ${show(value(c) ?? 0)}${target.matches(".unread") ? T.isUnread : ""}`;
        if (target.matches(":focus-visible")) point(c);
      },
      focusout({ target, relatedTarget }) {
        target.ariaLabel = null; // its number may change
        if (!stage.contains(relatedTarget)) point(null); },
      keydown: keys });
    el.onkeydown = ({ key }) => { if (key === "Escape" && get("pinned")) { if (field.matches(":focus")) back(pinned()); release(); } };

    // --- playing; the window's own moves let go of an input cell or a weight ---
    const pick = (position) => view.set({ position, pinned: get("pinned")?.[0] === "output" ? ["output"] : null });
    const turn = (by) => pick((min(get("position"), last) + by + last + 1) % (last + 1));
    const play = (on) => {
      clearInterval(timer);
      const pause = SPEEDS[get("speed")];
      timer = on && setInterval(() => {
        if (get("position") + 1 >= last || !el.isConnected) play(false);
        if (get("position") < last) turn(1);
      }, ui.reducedMotion() ? max(pause * 3, 700) : pause);
      put(playButton, on ? T.pause : T.play);
      if (!on) tell(slider.ariaValueText);
      else pick(get("position") < last ? get("position") : 0);
    };
    const counter = (place) => `${place + 1}/${last + 1}`;
    const playButton = ui.button(T.play, () => play(!timer));
    const scrub = view.range("position", { min: 0, max: 0, format: counter }), slider = scrub.querySelector("input");
    slider.oninput = () => pick(Number(slider.value));
    const player = div("player", scrub,
      h("div", ui.button(T.previous, () => turn(-1)), playButton, ui.button(T.next, () => turn(1))), view.select("speed", T.speeds));

    // --- controls ---
    const box = h("div", { class: "cnnlib-problem" }), wrong = h("p", { class: "cnnlib-problem", hidden: true }), notes = h("p", { class: "cnnlib-muted" });
    const formula = h("div", { class: "cnnlib-conv-sum", role: "group", "aria-label": T.formula });
    const script = h("pre", { tabindex: 0 }), code = h("details", h("summary", T.code), view.copy(() => script.textContent), script);
    const ranges = fromEntries(SIDED.map((key) => [key, count(2, (i) => controls.range(key + i, { max: MOST[key],
      format: (n) => (apart || key.indexOf("size") < 0 ? n : sides(key === "size" ? size : k)) }))]));
    const pads = count(4, (i) => controls.range(`padding${i}`, { min: 0, max: MOST.padding }));
    const extras = count(2, (i) => controls.select(`output_padding${i}`, { "": stack.none, ...count(MOST.strides, String) }));
    const presets = count(4, (f) => controls.select(`kernel${f}`, T.presets));
    const apartBox = h("input", { type: "checkbox", change() {
      apart = apartBox.checked;
      // Back together: every setting takes what its rows have.
      if (!apart) view.set(fromEntries([...SIDED, "padding", "output_padding"].filter((key) => isList(get(key))).map((key) => [key, [get(key)].flat(2)[0]])));
      draw();
    } });
    const panel = (title, open, list) => h("details", { open }, h("summary", title), h("div", { class: "cnnlib-controls" }, list.flat()));
    const gallery = controls.select("picture", T.pictures), wide = matchMedia("(min-width: 600px)").matches;
    gallery.onchange = () => view.set({ size: null, in_channels: null }); // a picture comes as large as it is
    const frame = h("div", stage);
    // What moves comes first; on a phone the settings wait until they are asked for.
    const settings = panel(T.settings, wide, [gallery, ranges.size, presets, ranges.kernel_size, ranges.strides, ranges.dilation_rate,
      controls.select("mode", common.modes), pads, controls.range("bias", { min: -10, max: 10, step: 0.5 }), view.checkbox("flip")]);
    const more = panel(T.moreSettings, wide && (x[1] || w[1] || transposed), [controls.range("channels", { max: MOST.channels }), controls.range("filters", { max: MOST.filters }),
      view.checkbox("transposed"), extras, h("label", { class: "cnnlib-check" }, apartBox, T.apart)]);
    el.append(box, frame, player, edit, wrong, formula, notes, settings, more, code);
    // "own numbers" tells what is there; there is nothing to choose.
    el.querySelectorAll("option[value=own]").forEach((own) => { own.disabled = true; });
    view.watch(["image", "size", "in_channels", "kernel", "kernel_size", "bias", "strides", "padding", "dilation_rate", "transposed", "output_padding", "flip"], draw);
    view.watch(["position", "filter", "pinned"], move);
    view.watch(["speed"], () => { if (timer) play(true); });
    told = true;
    const observer = new ResizeObserver(([{ contentRect: { width: now } }]) => {
      if (!now || abs(now - width) < 2) return now && retheme(); // while out of sight it heard of no other theme
      width = now;
      retheme(true);
    });
    observer.observe(frame);
    return () => { play(false); observer.disconnect(); view.dispose(); };
  },
};
