// One channel of a layer: the numbers of a batch before and after batch normalisation, as histograms on one axis with the
// way of one number through them; and batch after batch the moving averages, which chase the batches' mean and variance.
// `steps` batches have gone by in training; the batch on show is the next one, number `steps` counted from 0.
const W = STRINGS["batch-norm"], { h, s: svg, fill, put, big, count, same } = ui, { log, log10, sqrt } = Math;
const MOST = DATA.most, KEYS = ["data", "batch_size", "seed", "centre", "spread", "gamma", "beta", "epsilon", "training", "momentum", "steps", "values", "drift", "position"];
const DRAWN = ["centre", "spread"]; // what only numbers that are drawn have

// One number of mean 0 and standard deviation 1; "real": a recorded number. As in batch_norm.py.
const UNITS = {
  "drifted": normal,
  "skewed": (next) => -log(1 - next()) - 1,
  "two humps": (next) => (next() < 0.5 ? -0.9 : 0.9) + sqrt(0.19) * normal(next),
  "real": (next) => DATA.real[floor(next() * DATA.real.length)],
};
// Mean, variance and more. Differences to the first value keep the variance of equal ones at exactly 0.
function moments(values) {
  const n = values.length, first = values[0];
  let mean = 0, variance = 0;
  for (let i = 0; i < n; i++) mean += values[i] - first;
  mean = first + mean / n;
  for (let i = 0; i < n; i++) variance += (values[i] - mean) ** 2;
  variance /= n;
  return { values, mean, variance, std: sqrt(variance) };
}
const skewness = ({ values, mean, variance }) => (variance > 0
  ? values.reduce((total, value) => total + (value - mean) ** 3, 0) / values.length / variance ** 1.5 : NaN);

// solve(settings): all that is shown. Keeps what it has drawn, so that a step draws one batch and a slider of the layer none.
function solver() {
  let drawn, batches, known, found;
  return (get) => {
    const [data, n, seed, centre, spread, gamma, beta, epsilon, training, momentum, steps, values, drift, position] = KEYS.map(get);
    const own = values ?? DATA.own, real = data === "real", still = data === "own";
    const [low, scale] = real ? [0, 1] : [centre, spread], size = still ? own.length : n;
    if (!same(drawn, [data, seed])) [drawn, batches] = [[data, seed], []];
    if (!same(known, [data, seed, n, low, scale, drift, own])) [known, found] = [[data, seed, n, low, scale, drift, own], []];
    const batch = (k) => {
      if (still) return own;
      const some = (batches[k] ??= { next: chance(seed * 1000 + k), units: new Float64Array(MOST.batch_size), count: 0 });
      const { next, units } = some, unit = UNITS[data], middle = low + drift * k, all = Array(n);
      while (some.count < n) units[some.count++] = unit(next);
      for (let i = 0; i < n; i++) all[i] = floor((middle + scale * units[i]) * 100 + 0.5) / 100;
      return all;
    };
    const statistics = (k) => {
      if (!found[k]) { const { mean, variance } = moments(batch(k)); found[k] = [mean, variance]; }
      return found[k];
    };
    const seen = count(steps + 1, statistics), before = moments(batch(steps));
    const moving = [[0, 1]];
    for (let k = 0; k < steps; k++) moving.push(moving[k].map((old, i) => momentum * old + (1 - momentum) * seen[k][i]));
    const all = still || real ? moments(still ? own : DATA.real) : { mean: centre, variance: spread ** 2 };
    const level = (k) => [all.mean + (still ? 0 : drift * k), all.variance], population = level(steps);
    const used = training ? seen[steps] : moving[steps];
    const by = ([mean, variance], g = gamma, b = beta) => before.values.map((x) => (variance + epsilon > 0 ? g * ((x - mean) / sqrt(variance + epsilon)) + b : NaN)); // as Keras
    const output = by(used), exact = by(population);
    const stages = [before, ...[by(used, 1, 0), output, output.map((y) => max(0, y))].map(moments)];
    const error = sqrt(moments(by(moving[steps]).map((y, i) => (y - exact[i]) ** 2)).mean);
    const order = [...before.values.keys()].sort((a, b) => before.values[a] - before.values[b]), at = min(position, size - 1);
    return { size, own, still, real, seen, moving, level, population, used, stages, error, order, at, rank: order.indexOf(at), momentum, steps, drift: still ? 0 : drift,
      gamma, beta, epsilon, training, fails: !(used[1] + epsilon > 0), kept: output.filter((y) => y > 0).length / size };
  };
}

// A number as text: two decimals; three, or three digits where it is small, and what is left of a 0 is 0; in brackets where
// a sign stands before it.
const two = (x) => big(round(100 * x) / 100 + 0, 2);
const small = (x) => (Number.isNaN(x) ? "NaN" : abs(x) < 1e-12 ? "0" : abs(x) < 0.1 ? String(+x.toPrecision(3)).replace(/^-/, "−") : big(x, 3));
const factor = (x) => (x < 0 ? `(${small(x)})` : small(x));
const percent = (share) => `${round(100 * share)}\u00a0%`;
const path = (kind, d) => svg("path", { class: kind, d });
const text = (x, y, what, kind) => svg("text", { x, y, class: kind }, what);
// 1, 2 or 5 times a power of ten: the smallest that cuts `length` into at most `most` parts.
function nice(length, most) {
  const least = length / most, power = 10 ** floor(log10(least));
  return power * [1, 2, 5, 10].find((one) => one * power > least * 0.999999);
}
const ticks = (low, high, step) => {
  const first = ceil(low / step - 1e-6);
  return count(floor(high / step + 1e-6) - first + 1, (i) => (first + i) * step);
};

const HEAD = 36, PLOT = 58, ROW = HEAD + PLOT + 18;
// The four stages, one below the other on one axis.
function histograms({ stages, used, training, at, fails, epsilon, still, population, beta, gamma }, titles, width) {
  const parts = [], finite = (list) => list.filter(Number.isFinite);
  const other = { mean: used[0], std: sqrt(used[1] + epsilon) }, reach = ([mean, deviation]) => [mean - deviation, mean + deviation];
  // What batches of this kind mostly reach is on the axis, so that it rests while they come and go.
  const usual = still ? [] : [[population[0], 3 * sqrt(population[1])], ...training ? [[0, 3], [beta, 3 * gamma]] : []];
  const ends = finite([0, ...stages.flatMap(({ values, mean, std }) => [...values, ...reach([mean, std])]), ...training ? [] : reach([other.mean, other.std]), ...usual.flatMap(reach)]);
  let low = min(...ends), high = max(...ends);
  if (high - low < 1e-9) [low, high] = [low - 1, high + 1];
  const tick = nice(high - low, width < 480 ? 6 : 10);
  [low, high] = [floor(low / tick + 1e-6) * tick, floor(high / tick + 1) * tick];
  const shapes = stages[2].values, step = nice(high - low, min(width < 480 ? 30 : 48, still ? 48 : 20 + 2 * sqrt(shapes.length))), first = floor(low / step + 1e-6), bins = max(1, ceil(high / step - 1e-6) - first);
  const x = (value) => 8 + (value / step - first) / bins * (width - 16), bin = (value) => max(0, min(bins - 1, floor(value / step - first + 1e-9)));
  const spread = ({ mean, std }, y, kind) => [
    path(kind, `M${x(mean - std)} ${y - 3}v6m0 -3H${x(mean + std)}m0 -3v6`), path(`${kind} tip`, `M${x(mean)} ${y - 6}l5 9h-10z`),
  ];
  const bottom = ROW * stages.length;
  parts.push(path("zero", `M${x(0)} ${HEAD}V${bottom}`));
  const marksAt = stages.map(({ values }, i) => [x(values[at]), i * ROW + HEAD + PLOT]);
  if (!fails) parts.push(path("way", `M${marksAt.join("L")}`));
  stages.forEach((stage, i) => {
    const top = i * ROW + HEAD, base = top + PLOT, last = i === 3, kept = Array(bins).fill(0), cut = Array(bins).fill(0);
    if (!i || !fails) {
      for (const value of last ? shapes : stage.values) (last && !(value > 0) ? cut : kept)[bin(value)]++;
      const most = max(...kept.map((some, j) => some + cut[j])), room = (width - 16) / bins;
      const bars = (heights, lines) => heights.map((some, j) => {
        const left = 8 + j * room, tall = some / most * PLOT;
        let d = some ? `M${left} ${base}v${-tall}h${room}v${tall}` : "";
        if (lines && some) for (let y = base - 4; y > base - tall; y -= 4) d += `M${left} ${y}h${room}`;
        return d;
      }).join("");
      parts.push(path(`bars b${i}`, bars(kept, i === 1)), path("cut", bars(cut)), text(width, top - 22, fill(W.tallest, { most }), "to"));
      parts.push(path("mean", `M${x(stage.mean)} ${top}V${base}`), ...spread(stage, base + 8, "std"));
      if (!i && !training) parts.push(path("used", `M${x(other.mean)} ${top}V${base}`), ...spread(other, base + 15, "used"));
      parts.push(svg("circle", { cx: marksAt[i][0], cy: base, r: 5 }));
    }
    parts.push(path("axis", `M0 ${base}H${width}`), text(0, top - 22, titles[i][0], "title"), text(0, top - 6, titles[i][1], width < 380 ? "narrow" : ""));
  });
  for (const value of ticks(low, high, tick)) {
    const label = big(value, 3), half = label.length * 4; // so much of it lies on either side: at the ends it moves inwards
    parts.push(path("axis", `M${x(value)} ${bottom}v5`), text(max(half, min(width - half, x(value))), bottom + 17, label, "mid"));
  }
  const image = svg("svg", { role: "img", width, height: bottom + 22, "aria-label": titles.map((title) => title.join(": ")).join(". ") }, parts);
  return [image, (left) => ((left - 8) / (width - 16) * bins + first) * step]; // and the value that lies at a place
}

// What the batches' mean (i = 0) or variance (1) were, and the moving average and the population's beside them.
function chart({ seen, moving, level, steps, drift }, i, title, width) {
  const X = [20, 50, 100, 200, 301].find((end) => end > steps), all = [...seen, ...moving, level(0), level(steps)].map((pair) => pair[i]);
  let low = min(...all), high = max(...all);
  const more = (high - low || 1) * 0.08;
  [low, high] = [low - more, high + more];
  const x = (k) => k / X * (width - 10) + 2, y = (value) => 186 - (value - low) / (high - low) * 160, end = drift ? steps + 1 : X;
  return svg("svg", { role: "img", width, height: 206, "aria-label": title },
    ticks(low, high, nice(high - low, 5)).flatMap((value) => [path("grid", `M0 ${y(value)}H${width}`), text(2, y(value) - 3, big(value, 3), "scale")]),
    path("all", `M${x(0)} ${y(level(-1)[i])}L${x(end)} ${y(level(end - 1)[i])}`),
    path("dots", seen.slice(0, -1).map((pair, k) => `M${x(k + 1)} ${y(pair[i])}h0`).join("")),
    path("line", `M${moving.map((pair, k) => `${x(k)} ${y(pair[i])}`).join("L")}`),
    svg("circle", { cx: x(steps), cy: y(moving[steps][i]), r: 3, class: "end" }), svg("circle", { cx: x(steps + 1), cy: y(seen[steps][i]), r: 5 }),
    path("axis", `M0 186H${width}`), text(0, 14, title, "title"), text(0, 202, 0), text(width / 2, 202, W.batches, "mid"), text(x(min(X, MOST.steps)), 202, min(X, MOST.steps), "to"));
}

export default {
  render({ model: traits, el }) {
    const solve = solver(), get = (key) => traits.get(key), nearest = (list, value) => list.reduce((best, one, i) => (abs(one - value) < abs(list[best] - value) ? i : best), 0);
    let S, widths = [600, 600], draw = () => {}, timer;
    const listed = (key, list) => [key, (value) => nearest(list, value), (i) => list[i]];
    const model = ui.parts(traits, {
      rank: ["position", () => S.rank, (rank) => S.order[rank]],
      epsilonPlace: listed("epsilon", DATA.epsilons), momentumPlace: listed("momentum", DATA.momenta),
      from: ["training", (training) => (training ? "batch" : "moving"), (from) => from === "batch"],
    });
    const view = ui.view({ model, el, name: "batch-norm" });
    view.watch(KEYS, () => { S = solve(get); draw(); });

    const slider = (key) => { const [low, high, step] = DATA.ranges[key]; return view.range(key, { min: low, max: high, step, format: (x) => big(x, 2) }); };
    const place = (key, list, trait) => view.range(key, { min: 0, max: list.length - 1, format: () => String(get(trait)) });
    const size = view.range("batch_size", { max: MOST.batch_size }), drawn = DRAWN.map(slider), drift = slider("drift"), seed = view.range("seed", { min: 0, max: 99 });
    const chosen = view.range("rank", { min: 0, max: 0, format: () => small(S.stages[0].values[S.at]) }), rank = chosen.querySelector("input");

    // --- own numbers ---
    const wrong = h("p", { class: "cnnlib-problem", role: "alert", hidden: true }), fields = h("div", { class: "cnnlib-norm-own" });
    const field = (i) => {
      const input = h("input", { type: "number", step: "any", min: -MOST.value, max: MOST.value, "aria-label": fill(W.number, { i: i + 1 }),
        focus: () => view.set({ position: i }),
        input() {
          const value = input.valueAsNumber, fits = abs(value) <= MOST.value;
          wrong.hidden = fits;
          if (fits) view.set({ values: S.own.with(i, value) });
          else wrong.textContent = fill(W.wrong, { most: MOST.value, last: S.own[i] });
        },
        change() { input.value = S.own[i]; wrong.hidden = true; } });
      return input;
    };
    const resize = (word, limit, not, change) => ui.button(W[word], () => (S.own.length === limit ? view.say(W[not]) : view.set({ values: change(S.own) })), { "data-limit": limit });
    const acts = [resize("add", MOST.values, "addNot", (own) => [...own, own.at(-1)]), resize("remove", 1, "removeNot", (own) => own.slice(0, -1))];
    const ownPart = h("fieldset", { class: "cnnlib-norm-edit" }, h("legend", W.own), fields, acts, wrong);
    const drawOwn = () => {
      ownPart.hidden = !S.still;
      while (fields.children.length > S.own.length) fields.lastChild.remove();
      while (fields.children.length < S.own.length) fields.append(field(fields.children.length));
      S.own.forEach((value, i) => {
        const input = fields.children[i];
        if (input !== document.activeElement || wrong.hidden && input.valueAsNumber !== value) input.value = value;
        input.classList.toggle("on", i === S.at);
      });
      acts.forEach((button) => { button.ariaDisabled = `${S.own.length === +button.dataset.limit}`; });
    };

    // --- playing ---
    const speed = h("select", { id: `${rank.id}-speed`, change: () => { if (timer) play(true); } }, Object.keys(DATA.speeds).map((value) => h("option", { value, selected: value === "normal" && "" }, W.speeds[value])));
    const turn = (to) => view.set({ steps: max(0, min(MOST.steps, to)) });
    const playButton = ui.button(W.play, () => {
      if (!timer && get("steps") === MOST.steps) turn(0);
      play(!timer);
    });
    function play(on) {
      clearInterval(timer);
      const pause = DATA.speeds[speed.value];
      timer = on && setInterval(() => {
        if (el.isConnected) turn(get("steps") + 1);
        if (!el.isConnected || get("steps") === MOST.steps) play(false);
      }, ui.reducedMotion() ? max(3 * pause, 700) : pause);
      playButton.textContent = on ? W.pause : W.play;
      if (!on && S) tell();
    }
    const player = h("div", { class: "cnnlib-norm-player" }, view.range("steps", { min: 0, max: MOST.steps }),
      h("div", ui.button(W.previous, () => turn(get("steps") - 1)), playButton, ui.button(W.next, () => turn(get("steps") + 1)), ui.button(W.back, () => { play(false); turn(0); })),
      h("div", { class: "cnnlib-control" }, h("label", { for: speed.id }, W.speed), speed));

    // --- what is shown ---
    const picture = h("div", { class: "cnnlib-norm-picture", click({ target, clientX, clientY }) {
      const drawing = target.closest("svg");
      if (!drawing) return;
      const { left, top } = drawing.getBoundingClientRect(), row = S.fails ? 0 : max(0, min(3, floor((clientY - top) / ROW)));
      const where = valueAt(clientX - left), distance = (i) => abs(S.stages[row].values[i] - where);
      view.set({ position: S.order.reduce((best, i) => (distance(i) < distance(best) ? i : best)) });
    } });
    const legend = h("p", { class: "cnnlib-muted" });
    let valueAt;
    const sums = h("dl", { tabindex: -1 }), notes = h("div"), charts = h("div", { class: "cnnlib-norm-charts" }), table = h("table"), problem = h("div", { class: "cnnlib-problem" });
    const facts = h("ul"), code = h("pre", { tabindex: 0 });
    const told = ({ mean, std, values }, i) => fill(W.told, { mean: two(mean), std: two(std), skewness: two(skewness(S.stages[i])), above: percent(values.filter((value) => value > 0).length / S.size) });
    let tell = () => {};

    draw = () => {
      rank.max = S.size - 1;
      model.refresh();
      size.hidden = drift.hidden = seed.hidden = S.still;
      drawn.forEach((control) => { control.hidden = S.still || S.real; });
      drawOwn();
      const { stages, used, at, training, epsilon, gamma, beta, fails, moving, population, steps } = S, last = steps;
      const titles = stages.map((stage, i) => [W.stages[i] + (i < 3 || fails ? "" : fill(W.kept, { kept: percent(S.kept), cut: percent(1 - round(100 * S.kept) / 100) })), i && fails ? W.nothing : told(stage, i)]);
      const [image, inverse] = histograms(S, titles, widths[0]);
      put(picture, image);
      valueAt = inverse;
      legend.textContent = W.legend + (training ? "" : ` ${W.legendMoving}`);

      const [x, normal, y, relu] = stages.map(({ values }) => values[at]);
      const root = sqrt(used[1] + epsilon), values = { x: small(x), mean: factor(used[0]), variance: small(used[1]), epsilon: small(epsilon), difference: small(x - used[0]), root: small(root),
        normal: small(normal), factor: factor(normal), gamma: small(gamma), beta: factor(beta), y: small(y), relu: small(relu) };
      put(sums, W.sums.map(([name, sum]) => h("div", h("dt", name), h("dd", fill(sum, values)))));

      const row = (name, cells) => h("tr", h("th", { scope: "row" }, name), cells.map((cell) => h("td", cell)));
      put(table, h("caption", W.statistics), h("tr", W.columns.map((word, i) => h("th", { scope: "col", class: i === 2 - training && "on" }, word, i === 2 - training && ` ${W.inUse}`))),
        [0, 1].map((i) => row(W.rows[i], [S.seen[last], moving[last], population].map((pair) => small(pair[i])))));
      put(charts, [0, 1].map((i) => chart(S, i, fill(W.charts[i], { moving: small(moving[last][i]), all: small(population[i]) }), widths[1])));

      // What to see in it, in words; and what is wrong, with what mends it.
      const [skewed, after] = [stages[0], stages[2]].map(skewness), { size: n, still, drift: moves, momentum } = S;
      const equal = !(stages[0].variance > 0), deviation = sqrt(population[1]), share = momentum ** steps;
      const means = moments(S.seen.map(([mean], k) => mean - S.level(k)[0])), filled = { n, less: n - 1, beta: small(beta), epsilon: small(epsilon) };
      put(notes, [!fails && (n < 2 ? W.single : equal && W.equal), !training && !steps && W.asleep].filter(Boolean).map((note) => h("p", fill(note, filled))));
      problem.hidden = !fails;
      put(problem); // a button that has done its work goes with its problem, and the focus with it
      if (fails) put(problem, fill(W.fails, { whose: W[training ? "ofBatch" : "ofMoving"] }), h("p", view.mend(`epsilon=${DATA.epsilons[5]}`, () => ({ epsilon: DATA.epsilons[5] }), sums)));
      put(facts, [
        skewed === skewed && after === after && fill(gamma < 0 ? W.turned : W.shape, { before: two(skewed), after: two(after) }),
        deviation > 0 && !still && fill(W.noise, { n, std: small(deviation), noise: small(deviation / sqrt(n)) }) + (steps ? fill(W.noiseSeen, { count: steps + 1, seen: small(means.std) }) : ""),
        !still && n > 1 && n < 9 && fill(W.few, { ...filled, n }),
        fill(W.start, { steps, share: percent(share), momentum }),
        moves && momentum < 1 && fill(W.lag, { drift: small(moves), momentum, lag: small(abs(moves) / (1 - momentum)) }),
        Number.isFinite(S.error) && fill(W.error, { error: small(S.error) }),
        fill(still ? W.countOwn : W.count, { n }),
        S.real && W.real,
      ].filter(Boolean).map((fact) => h("li", fact)));
      const exactly = (number) => String(+number.toPrecision(7));
      code.textContent = fill(W.keras, { x: `[${stages[0].values.join(", ")}]`, momentum, epsilon, gamma, beta, steps, mean: exactly(moving[steps][0]), variance: exactly(moving[steps][1]),
        training: training ? "True" : "False", position: at, y: small(y).replace("−", "-").replace("NaN", "nan") });
      tell = () => view.news(titles.map((title) => title.join(": ")).join(". "));
      if (!timer) tell();
    };
    el.append(h("div", { class: "cnnlib-controls" }, size, view.select("data", W.datas), drawn, slider("gamma"), slider("beta"), view.choice("from", W.froms)),
      ownPart, problem, picture, legend, h("div", { class: "cnnlib-norm-sum" }, h("div", { class: "cnnlib-controls" }, chosen, place("epsilonPlace", DATA.epsilons, "epsilon")), sums, notes),
      h("h3", W.many), player, h("div", { class: "cnnlib-controls" }, place("momentumPlace", DATA.momenta, "momentum"), drift, seed),
      charts, h("p", { class: "cnnlib-muted" }, W.chartLegend), table, facts, h("section", h("p", h("b", W.code), " ", view.copy(() => code.textContent)), code));
    draw();
    view.fit(picture, (width) => { widths[0] = width; draw(); });
    // One beside the other where there is room: as the style sheet has it.
    view.fit(charts, (width) => { widths[1] = width < 620 ? width : (width - 20) / 2; draw(); });
    return () => { play(false); view.dispose(); };
  },
};
