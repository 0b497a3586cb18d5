// Dropout: a layer's numbers, the mask of this step, what goes on, and what many masks come to on average.
// DATA (dropout.json): a row of units; maps, made from conv_explorer's handwritten 0 by Sobel filters to four sides, a
// blur and a Laplacian, then ReLU and a 2x2 max pool; the next unit's weights; Play's pauses in ms.
const W = STRINGS.dropout, { ARROWS, h, s: svg, put, fill, big, count } = ui, { most: MOST, speeds: SPEEDS } = DATA, { log, sqrt } = Math;
const SIDE = 4, AREA = SIDE * SIDE, RECENT = 60; // of a map; how many masks the strip shows
const KEYS = ["rate", "training", "seed", "draws", "spatial", "scaling", "values", "channels"];
const PAGES = { PageUp: 0.1, PageDown: -0.1 };

const show = (x, digits = 2) => big(Number(x.toFixed(digits)) || 0, digits);
const sign = (...numbers) => (numbers.every((x) => abs(x - x.toFixed(2)) < 1e-9) ? "=" : "≈");
const factorOf = (x) => (x < 0 ? `(${show(x)})` : show(x));
const python = (list) => list.map((x) => Number(x.toPrecision(7))).join(", ");
const path = (name, d) => svg("path", { class: name, d });
const text = (x, y, content, name) => svg("text", { x, y, class: name }, content);
// Formulas stay in one line where they can.
const whole = (text) => text.replace(/ ([/·−=≈]) /g, "\u00a0$1\u00a0");
const axisText = (y, content) => text(36, y, content, content.length > 6 ? "to small" : "to");
const line = (points) => `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}`;

// "3", "-0,5" -> a number; anything else, or too large a number -> NaN
function parse(text) {
  const plain = text.trim().replace("−", "-").replace(",", ".");
  return /^[+-]?(\d+\.?\d*|\.\d+)$/.test(plain) && abs(plain) <= MOST.value ? Number(plain) : NaN;
}

// --- the numbers, in one list: maps one after the other, each row by row ---
const isMaps = (values) => isList(values?.[0]);
const rowOf = (values) => (values && !isMaps(values) ? values : DATA.row);
const mapsOf = (values, channels) => count(channels, (c) => count(AREA, (i) => {
  const [a, b] = [i >> 2, i & 3];
  return (isMaps(values) ? values[a][b][c] : null) ?? DATA.maps[c][a][b];
})).flat();

// Every mask's random numbers, mask after mask.
const streams = new Map();
function stream(seed, chances) {
  const key = `${seed} ${chances}`;
  if (!streams.has(key)) {
    if (streams.size > 7) streams.clear();
    const next = chance(seed), all = new Float64Array(chances * MOST.draws);
    for (let i = 0; i < all.length; i++) all[i] = next();
    streams.set(key, all);
  }
  return streams.get(key);
}
// What masks 1 to `draws` do that drop `size` cells together.
function masks({ x, w, rate, seed, draws, factor, use }, size) {
  const chances = x.length / size, random = stream(seed, chances), counts = Array(chances).fill(0), kept = Array(chances + 1).fill(0);
  const each = (value) => count(chances, (i) => count(size, (j) => value(i * size + j)).reduce((a, b) => a + b));
  const squares = each((i) => x[i] ** 2), pulls = each((i) => w[i] * x[i]), sums = [], errors = [];
  let many = 0;
  for (let d = 0; d < draws; d++) {
    let sum = 0, error = 0;
    many = 0;
    for (let i = 0; i < chances; i++) {
      if (random[d * chances + i] >= rate) {
        counts[i]++;
        many++;
        sum += factor * pulls[i];
      }
      error += squares[i] * (factor * counts[i] / (d + 1) - use) ** 2;
    }
    kept[many]++;
    sums.push(sum);
    errors.push(sqrt(error / x.length));
  }
  const last = random.subarray((draws - 1) * chances, draws * chances);
  const variance = factor ** 2 * rate * (1 - rate), bias = factor * (1 - rate) - use, power = squares.reduce((a, b) => a + b) / x.length;
  return { size, chances, many, kept, counts, sums, errors, random: (i) => last[floor(i / size)], on: (i) => last[floor(i / size)] >= rate,
    count: (i) => counts[floor(i / size)], mean: sums.reduce((a, b) => a + b) / draws, spread: sqrt(variance * pulls.reduce((a, v) => a + v * v, 0)),
    expected: (d) => sqrt(power * (variance / d + bias ** 2)) };
}
function solve(get) {
  const [rate, training, seed, draws, spatial, scaling, values, channels] = KEYS.map(get);
  const x = spatial ? mapsOf(values, channels) : rowOf(values), keep = 1 - rate;
  const w = x.map((_, i) => (spatial ? DATA.mapWeights[i >> 4] / AREA : DATA.weights[i]));
  const now = { rate, training, seed, draws, spatial, scaling, x, w, keep, factor: scaling === "training" ? 1 / keep : 1, use: scaling === "inference" ? keep : 1 };
  if (rate === 1) return now;
  const single = masks(now, 1), main = spatial ? masks(now, AREA) : single;
  const out = (of, i) => (training ? of.on(i) * x[i] * now.factor : x[i] * now.use);
  const inUse = x.reduce((sum, value, i) => sum + w[i] * value * now.use, 0);
  return { ...now, single, main, out, inUse, next: training ? main.sums[draws - 1] : inUse };
}
// draws times the binomial distribution
function binomial(n, keep, draws) {
  let choose = 1;
  return count(n + 1, (k) => {
    const expected = draws * choose * keep ** k * (1 - keep) ** (n - k);
    choose *= (n - k) / (k + 1);
    return expected;
  });
}

// --- the pictures ---
const picture = (label, ...children) => svg("svg", { role: "img", viewBox: "0 0 320 170", "aria-label": label }, children.flat(9));

// The layer and the next unit. What is dropped sends nothing; a line is as wide as what it brings, dashed below zero.
function net({ main, training, x, w, out, next, spatial }, label) {
  const { chances, size } = main, step = 304 / chances, r = min(11, step * 0.4), shares = count(chances, (i) =>
    count(size, (j) => w[i * size + j] * out(main, i * size + j)).reduce((a, b) => a + b)), most = max(...shares.map(abs)) || 1;
  return picture(label, shares.map((share, i) => {
    const at = 8 + (i + 0.5) * step, off = training && !main.on(i * size), look = off ? "node gone" : "node";
    return [!off && svg("path", { class: share < 0 ? "pull minus" : "pull", "stroke-width": 0.5 + 6 * abs(share) / most, d: `M${at} 16L160 132` }),
      spatial ? svg("rect", { class: look, x: at - r, y: 16 - r, width: 2 * r, height: 2 * r }) : svg("circle", { class: look, cx: at, cy: 16, r }),
      off && path("cross", `M${at - r} ${16 - r}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`), text(at, 20, spatial || chances < 13 ? i + 1 : "")];
  }), svg("circle", { class: "node", cx: 160, cy: 140, r: 25 }), text(160, 144, show(next), show(next).length > 6 ? "now" : "next"));
}

// The next unit's input at the last masks.
function strip({ single, main, spatial, inUse, draws }, label) {
  const from = max(0, draws - RECENT), runs = (spatial ? [single, main] : [main]).map(({ sums }) => sums.slice(from));
  const all = [...runs.flat(), inUse, main.mean], low = min(...all), high = max(...all), room = high - low || 1;
  const x = (i) => 40 + 270 * (i + 0.5) / min(RECENT, max(draws, 12)), y = (z) => 140 - 120 * (z - low) / room;
  const marks = runs.map((sums, which) => sums.map((z, i) => (which < runs.length - 1
    ? svg("rect", { x: x(i) - 2, y: y(z) - 2, width: 4, height: 4 }) : svg("circle", { cx: x(i), cy: y(z), r: i + 1 === sums.length ? 5 : 2.5, class: i + 1 === sums.length && "now" }))));
  return picture(label, path("axis", "M40 12V148H312"), path("use", `M40 ${y(inUse)}H312`), path("mean", `M40 ${y(main.mean)}H312`), marks,
    [[low, 144], [high, 24]].map(([z, at]) => axisText(at, show(z, abs(z) < 100 ? 1 : 0))), text(x(0), 162, from + 1), draws > from + 1 && text(x(draws - from - 1), 162, draws));
}
// How far the mean is from what goes on in use, by the number of masks; both axes logarithmic.
function fall({ main, draws }, label) {
  // On a logarithmic axis a hundred points are as good as all.
  const points = [...new Set(count(100, (i) => floor(MOST.draws ** (i / 99)))), draws].sort((a, b) => a - b), found = points.filter((d) => d <= draws);
  const all = [...found.map((d) => main.errors[d - 1]), ...points.map(main.expected)].filter((e) => e > 1e-12);
  const low = log(min(...all) / 1.2), high = log(max(...all) * 1.2), some = all.length > 0;
  const x = (d) => 40 + 270 * log(d) / log(MOST.draws), y = (e) => (some ? 148 - 130 * (log(max(e, 1e-12)) - low) / (high - low) : 148);
  const ticks = count(24, (i) => [1, 2, 5][i % 3] * 10 ** (floor(i / 3) - 4)).filter((e) => some && log(e) > low && log(e) < high);
  const few = ticks.filter((e) => ticks.length < 6 || abs(Math.log10(e) % 1) < 1e-9);
  const curve = (ds, error) => line(ds.map((d) => [x(d), min(148, y(error(d)))]));
  return picture(label, path("axis", "M40 12V148H312"), path("mean", curve(points, main.expected)), path("run", curve(found, (d) => main.errors[d - 1])),
    svg("circle", { cx: x(draws), cy: min(148, y(main.errors[draws - 1])), r: 5, class: "now" }),
    few.map((e) => axisText(y(e) + 4, e < 0.01 ? e.toFixed(4).replace(/0+$/, "") : big(e))), [1, 10, 100, MOST.draws].map((d) => text(x(d), 162, d)));
}
// How often 0, 1, 2, ... were kept: bars; what is to be expected: dashed outlines.
function bars({ main, training }, expected, label) {
  const top = max(...main.kept, ...expected), step = 296 / main.kept.length, tall = (n) => 120 * n / top, often = step > 26;
  return picture(label, path("axis", "M8 148H312"), main.kept.map((n, k) => {
    const left = 12 + k * step, middle = left + step / 2;
    return [svg("rect", { x: left + step * 0.15, y: 148 - tall(n), width: step * 0.7, height: tall(n) }),
      svg("rect", { class: "hope", x: left + step * 0.04, y: 148 - tall(expected[k]), width: step * 0.92, height: tall(expected[k]) }),
      (often || n > 0) && text(middle, 142 - max(tall(n), often ? tall(expected[k]) : 0), n, often ? "" : "small"),
      text(middle, 163, k, training && k === main.many ? "now" : "")];
  }));
}

export default {
  render({ model: traits, el }) {
    const get = (key) => traits.get(key);
    let S = solve(get), cells = {}, seen, width = 600, timer, told = false;
    const model = ui.parts(traits, {
      when: ["training", (on) => (on ? "training" : "use"), (when) => when === "training"],
      what: ["spatial", (on) => (on ? "maps" : "single"), (what) => what === "maps"],
      units: ["values", (values) => rowOf(values).length, (n, values) => count(n, (i) => rowOf(values)[i] ?? DATA.row[i % DATA.row.length])],
    });
    const view = ui.view({ model, el, name: "dropout" });
    const chosen = () => min(get("cell"), S.x.length - 1);
    const nameOf = (i) => fill(S.spatial ? W.mapCell : W.unit, { i: i + 1, c: (i >> 4) + 1, row: ((i >> 2) & 3) + 1, column: (i & 3) + 1 });

    // --- the numbers: cells[kind][i] are table cells, made anew only where their number or their order changes ---
    const stage = h("div", { class: "cnnlib-dropout-stage",
      click({ target }) { const td = target.closest("td"); if (td) { pick(td.at); if (cells.in[td.at] === td) td.focus(); } },
      focusin({ target }) { if (target.at !== undefined && cells.in[target.at] === target) pick(target.at); },
      keydown(event) {
        const { key, target: { at } } = event, by = ARROWS[key];
        if (at === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
        if (by) (cells.in[neighbour(at, by)] ?? cells.in[at]).focus();
        else if (PAGES[key]) change(at, max(-MOST.value, min(MOST.value, Number((S.x[at] + PAGES[key]).toFixed(6)))));
        else if (key === "Enter") { field.focus(); field.select(); }
        else if (/^[\d.,+-]$/.test(key)) {
          field.value = key;
          field.focus();
          judge();
        } else return;
        event.preventDefault();
      } });
    // The cell that an arrow key leads to: over a map's edge to the map beside it, in a row of units to the one beside.
    function neighbour(at, [down, right]) {
      if (!S.spatial) return at + right;
      const row = ((at >> 2) & 3) + down, column = at % SIDE + right, map = (at >> 4) + (column < 0 ? -1 : column >= SIDE ? 1 : 0);
      return row < 0 || row >= SIDE ? at : map * AREA + row * SIDE + (column + SIDE) % SIDE;
    }
    const pick = (cell) => view.set({ cell });
    function change(at, to) {
      const x = S.x.with(at, to);
      view.set({ values: S.spatial ? count(SIDE, (a) => count(SIDE, (b) => count(x.length / AREA, (c) => x[c * AREA + a * SIDE + b]))) : x });
    }
    function build() {
      const n = S.x.length, per = ceil(n / ceil(n / max(3, floor((width - 92) / 42)))), shape = [S.spatial, n, S.spatial || per].join();
      if (seen === shape) return;
      seen = shape;
      cells = {};
      const cell = (kind) => (i) => {
        const td = h("td", kind === "in" && { tabindex: -1 });
        td.at = i;
        return ((cells[kind] ??= [])[i] = td);
      };
      if (S.spatial) {
        put(stage, ["in", "single", "out"].map((kind) => h("section", h("h3"), h("div", { class: "cnnlib-dropout-maps" }, count(n / AREA, (c) =>
          h("table", { role: kind === "in" ? "grid" : false }, h("caption", fill(W.map, { c: c + 1, w: DATA.mapWeights[c] })), count(SIDE, (a) => h("tr", count(SIDE, (b) => cell(kind)(c * AREA + a * SIDE + b))))))))));
        return;
      }
      put(stage, count(ceil(n / per), (part) => {
        const places = count(min(per, n - part * per), (i) => part * per + i);
        return h("table", { role: "grid", style: `max-width:${92 + 62 * per}px`, "aria-label": W.numbers },
          h("tr", h("th", { scope: "row" }, W.rows.unit), places.map((i) => h("th", { scope: "col" }, i + 1))),
          ["in", "random", "mask", "out", "mean", "weight"].map((kind) => h("tr", { class: kind }, h("th", { scope: "row" }, W.rows[kind]), places.map(cell(kind)))));
      }));
    }
    function paint() {
      const { x, main, single, out, training, factor, draws } = S, at = chosen(), most = max(...x.map(abs)) * max(1, factor) || 1;
      const wear = (kind, write) => cells[kind]?.forEach((td, i) => {
        const [content, off, value] = write(i), look = `${off ? "off" : ""}${i === at ? " on" : ""}${content.length > 5 ? " long" : ""}`;
        if (td.said !== content) td.textContent = td.said = content;
        if (td.look !== look) td.className = td.look = look;
        const share = value === undefined ? "" : `${(100 * abs(value) / most).toFixed(0)}%`;
        if (td.share !== share) td.style.setProperty("--share", td.share = share);
      });
      const off = (of, i) => training && !of.on(i);
      wear("in", (i) => [show(x[i]), off(main, i), x[i]]);
      wear("random", (i) => [training ? show(single.random(i), 3) : "–"]);
      wear("mask", (i) => (training ? [`${+single.on(i)}`, off(single, i)] : ["–"]));
      wear("single", (i) => [show(out(single, i)), off(single, i), out(single, i)]);
      wear("out", (i) => [show(out(main, i)), off(main, i), out(main, i)]);
      wear("mean", (i) => [show(x[i] * factor * single.count(i) / draws)]);
      wear("weight", (i) => [show(S.w[i])]);
      cells.in.forEach((td, i) => {
        td.tabIndex = i === at ? 0 : -1;
        td.ariaLabel = `${nameOf(i)}: ${show(x[i])}${off(main, i) ? W.dropped : ""}`;
      });
      if (!S.spatial) return;
      const rate = show(S.rate, 3);
      stage.querySelectorAll("h3").forEach((title, i) => { title.textContent = fill(W.groups[i], { rate }) + (i && !training ? W.same : ""); });
    }

    // --- in words and numbers ---
    function arithmetic(of, i) {
      const { x, rate, training, scaling, factor, use, draws } = S, value = x[i] * factor, y = S.out(of, i), k = of.count(i), mean = value * k / draws;
      const now = { name: nameOf(i), x: factorOf(x[i]), rate: show(rate, 3), u: show(of.random(i), 3), y: show(y), sign: sign(y), k, d: draws, f: factorOf(value), m: show(mean), use: show(x[i] * use) };
      const what = !training ? (scaling === "inference" ? "useScaled" : "use") : !of.on(i) ? "off" : scaling === "training" ? "onScaled" : "on";
      return whole([fill(W[what], now), fill(W.average, { ...now, sign: sign(mean, value) })].join(" "));
    }
    function drawWords() {
      const { main, single, spatial, training, rate, draws, seed, keep, scaling } = S, at = chosen();
      const now = { d: draws, seed, k: main.many, n: main.chances, rate: show(rate, 3), hope: show(main.chances * keep), what: spatial ? W.maps : W.numbers,
        z: show(S.next), m: show(main.mean), use: show(S.inUse), times: show(keep, 3), sd: show(main.spread), single: show(single.spread), e: show(main.errors[draws - 1], 3), far: show(main.expected(draws), 3) };
      headline.textContent = whole(fill(training ? W.keeps : W.noMask, now));
      put(sums, (spatial ? [[W.single, single], [W.whole, main]] : [["", main]]).map(([title, of]) => h("p", title && h("b", title), arithmetic(of, at))));
      [[training ? W.nextNow : W.nextUse], [scaling === "none" && rate ? W.meansApart : W.means, spatial ? W.spreads : W.spread],
        [W.error, W.errorWhy[!rate ? "zero" : scaling === "none" ? "none" : "falls"]], [W.counts]].forEach((texts, i) => { words[i].textContent = whole(fill(texts.join(" "), now)); });
      const expected = binomial(main.chances, keep, draws);
      put(table, h("caption", fill(W.countsTable, now)), h("tr", W.columns.map((name) => h("th", { scope: "col" }, name))),
        main.kept.map((n, k) => h("tr", h("th", { scope: "row" }, k), h("td", n), h("td", show(expected[k])))));
      const said = words.map((word) => word.textContent);
      [net(S, said[0]), strip(S, said[1]), fall(S, said[2]), bars(S, expected, said[3])].forEach((drawn, i) => put(frames[i], drawn));
      return `${headline.textContent} ${said[0]}`;
    }
    function code() {
      const { x, rate, spatial, scaling, seed } = S, r = Number(rate.toPrecision(7)), channels = x.length / AREA;
      const all = spatial ? count(x.length, (i) => x[(i % channels) * AREA + floor(i / channels)]) : x; // channels last
      const now = { r, seed, layer: spatial ? "SpatialDropout2D" : "Dropout", x: spatial ? `[${python(all)}], "float32").reshape(1, 4, 4, ${channels}` : `[[${python(all)}]], "float32"`,
        shape: spatial ? `(1, 1, 1, ${channels})` : "x.shape" };
      return fill(W.keras + W.kerasMore[scaling], now);
    }

    // --- the reader's hand ---
    function judge() {
      const to = parse(field.value), bad = Number.isNaN(to);
      field.ariaInvalid = bad;
      wrong.hidden = !bad;
      if (bad) view.say(wrong.textContent = fill(W.wrong, { text: field.value, last: show(S.x[chosen()]), limit: MOST.value }));
      else change(chosen(), to);
    }
    function restore() {
      field.ariaInvalid = false;
      wrong.hidden = true;
      field.value = Number(S.x[chosen()].toPrecision(7));
    }
    const field = h("input", { autocomplete: "off", inputmode: "decimal", size: 7, input: judge, change: restore,
      keydown({ key }) { if (key === "Enter" || key === "Escape") { restore(); cells.in[chosen()].focus(); } } });
    const fieldName = h("span"), edit = h("p", { class: "cnnlib-dropout-edit" }, h("label", fieldName, " ", field));
    const wrong = h("p", { class: "cnnlib-problem", hidden: true });

    const following = () => view.set(get("draws") < MOST.draws ? { draws: get("draws") + 1 } : { draws: 1, seed: other() });
    const other = () => (get("seed") + 1) % 2 ** 31;
    function play(on) {
      clearInterval(timer);
      const pause = SPEEDS[get("speed")];
      timer = on && setInterval(() => {
        if (get("draws") >= MOST.draws || !el.isConnected) play(false);
        else following();
      }, ui.reducedMotion() ? max(pause * 3, 700) : pause);
      playButton.textContent = on ? W.pause : W.play;
      if (on) following();
      else if (told) view.say(headline.textContent);
    }
    const playButton = ui.button(W.play, () => play(!timer));
    const player = h("div", { class: "cnnlib-dropout-player" }, view.range("draws", { max: MOST.draws }),
      h("div", ui.button(W.newMask, following), " ", playButton, " ", ui.button(W.otherSeed, () => view.set({ seed: other() }))), view.select("speed", W.speeds));

    const problem = h("div", { class: "cnnlib-problem", hidden: true }), headline = h("p", { class: "cnnlib-dropout-head", tabindex: -1 }), sums = h("div", { class: "cnnlib-dropout-sums" });
    const [words, frames] = [0, 1].map(() => count(4, () => h("p"))), table = h("table"), [legend, ...notes] = count(5, () => h("p", { class: "cnnlib-muted" }));
    const panels = h("div", { class: "cnnlib-dropout-panels" }, h("section", h("h3", W.chosen), edit, wrong, sums, legend),
      W.titles.map((title, i) => h("section", h("h3", title), words[i], frames[i], notes[i], i === 3 && h("details", h("summary", W.table), table))));
    const results = h("div", headline, player, stage, panels);
    const script = h("pre", { tabindex: 0 }), keras = h("details", h("summary", W.code), view.copy(() => script.textContent), script);
    const [units, channels] = [view.range("units", { max: MOST.units }), view.range("channels", { max: MOST.channels })];
    el.append(h("div", { class: "cnnlib-controls" }, view.range("rate", { min: 0, max: 1, step: 0.05, format: (rate) => show(rate, 3) }), view.choice("when", W.whens),
      view.choice("what", W.whats), view.select("scaling", W.scalings), units, channels), problem, results, keras);
    const rates = [0.95, 0.5].map((rate) => view.mend(fill(W.lower, { rate }), () => ({ rate }), headline));

    function draw() {
      S = solve(get);
      problem.hidden = !!S.main;
      put(problem, !S.main && [W.problem, h("p", rates.flatMap((rate) => [rate, " "]))]); // gone from the page with the problem, a button hands on the focus
      results.hidden = keras.hidden = !S.main;
      units.hidden = S.spatial;
      channels.hidden = !S.spatial;
      if (!S.main) {
        if (timer) play(false);
        return view.news(W.problem);
      }
      build();
      paint();
      fieldName.textContent = fill(W.numberOf, { name: nameOf(chosen()) });
      if (!field.matches(":focus")) restore();
      legend.textContent = S.spatial ? W.legendMaps : W.legend;
      notes.forEach((note, i) => { note.textContent = W.legends[i] + (S.spatial && i === 1 ? W.squares : ""); });
      script.textContent = code();
      const state = drawWords();
      if (!timer) view.news(state);
    }
    view.watch([...KEYS, "cell"], draw);
    view.watch(["speed"], () => { if (timer) play(true); });
    view.fit(results, (now) => { width = now; draw(); });
    told = true;
    return () => { told = false; play(false); view.dispose(); };
  },
};
