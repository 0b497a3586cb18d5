// Train here: a small CNN learns drawn pictures in a worker (train_job.js); the page shows how, and the Keras code of it.
// DATA (train_here.json): the plan of a run, what the sliders offer, presets, the Keras code line by line, where
// "?norm|..." is there only with batch normalisation.
const W = STRINGS["train-here"], { h, s: svg, put, fill, big, count } = ui;
const { plan: PLAN, most: MOST, rates: RATES, batches: BATCHES, sets: SETS, presets: PRESETS, base: BASE } = DATA, { log, sqrt } = Math;
const KEYS = Object.keys(BASE), SIDE = 32, MEAN = 10; // batches that one point of a training curve is a mean of
const CALM = 8000; // ms between two things that a running net says of itself

const nearest = (list, value) => list.reduce((best, x, i) => (abs(log(x / value)) < abs(log(list[best] / value)) ? i : best), 0);
const percent = (share, digits = 0) => big(100 * share, digits) + "\u00a0%";
const loss = (x) => (x < 1000 ? x.toFixed(2) : big(x, 0));
const by = (sides) => sides.join("\u00a0×\u00a0");
const shownSteps = (checks) => checks * PLAN.every;

// --- pictures: a canvas as large as its pixels, which CSS makes larger ---
const canvas = (side) => h("canvas", { width: side, height: side, "aria-hidden": "true" });
const paintPicture = (to, pixels) => paintPixels(to, SIDE, SIDE, (i, c) => pixels[3 * i + c]);
// A filter: grey is 0, and its largest weight, above or below, is full colour
function paintFilter(to, kernel, f) {
  let most = 1e-9;
  for (let i = f; i < kernel.length; i += 16) most = max(most, abs(kernel[i]));
  paintPixels(to, 5, 5, (i, c) => 128 + 127 * kernel[(3 * i + c) * 16 + f] / most);
}

// --- curves, in the units of the picture ---
const BOX = { left: 38, right: 262, top: 10, bottom: 160, width: 330, height: 186 };
const line = (points) => (points.length ? `M${points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")}` : "");
const meanOf = (list, end) => { const from = max(0, end - MEAN); let sum = 0; for (let i = from; i < end; i++) sum += list[i]; return sum / (end - from); };
const TOPS = [3, 5, 10, 20, 50, 100, 1e3, 1e4, 1e6, 1e9];

function chart(kind) {
  const path = (name) => svg("path", { class: name }), label = (name) => svg("text", { class: name });
  const parts = { ghost: path("ghost"), ghostHeld: path("ghost held"), train: path("train"), held: path("held"), dots: path("dots"), grid: svg("g") };
  const ends = [label("train"), label("held")];
  const frame = svg("svg", { role: "img", viewBox: `0 0 ${BOX.width} ${BOX.height}` }, parts.grid, ...["ghost", "ghostHeld", "train", "held", "dots"].map((key) => parts[key]), ends);
  let scale;
  function draw({ run, before, steps, alt }) {
    const accuracy = kind === "accuracy", values = accuracy ? "hits" : "losses", of = accuracy ? "accuracy" : "loss";
    const seen = [run, before].flatMap((r) => (r && !accuracy ? [...r.looks.map((look) => look.loss), ...count(min(r.step, steps), (i) => meanOf(r.losses, i + 1))] : [])).filter(Number.isFinite);
    const top = accuracy ? 1 : TOPS.find((value) => value >= max(0, ...seen)) ?? TOPS.at(-1);
    const x = (step) => BOX.left + (BOX.right - BOX.left) * step / steps, y = (value) => BOX.bottom - (BOX.bottom - BOX.top) * value / top;
    const fits = (step, value) => step <= steps && Number.isFinite(value);
    const trained = (r) => count(r.step, (i) => [i + 1, meanOf(r[values], i + 1)]).filter(([step, value]) => fits(step, value)).map(([step, value]) => [x(step), y(value)]);
    const looked = (r) => r.looks.filter((look) => fits(look.step, look[of])).map((look) => [x(look.step), y(look[of])]);
    if (scale !== `${top} ${steps}`) {
      scale = `${top} ${steps}`;
      const many = accuracy || top % 20 === 0 ? 4 : top % 3 === 0 ? 3 : 5, ticks = count(many + 1, (i) => top * i / many);
      put(parts.grid, [ticks.map((value) => [svg("path", { class: "grid", d: `M${BOX.left} ${y(value)}H${BOX.right}` }),
        svg("text", { x: BOX.left - 5, y: y(value) + 4, class: "to" }, accuracy ? `${100 * value} %` : big(value, 1))]),
      [0, 0.5, 1].map((part) => svg("text", { x: x(part * steps), y: BOX.bottom + 16, class: "mid" }, big(round(part * steps)))),
      accuracy && [svg("path", { class: "chance", d: `M${BOX.left} ${y(0.1)}H${BOX.right}` }), svg("text", { x: BOX.right + 4, y: y(0.1) + 4 }, W.guessing)]].flat(9));
    }
    const points = { train: trained(run), held: looked(run), ghost: before ? trained(before) : [], ghostHeld: before ? looked(before) : [] };
    for (const [key, list] of entries(points)) parts[key].setAttribute("d", line(list));
    parts.dots.setAttribute("d", points.held.map(([a, b]) => `M${a.toFixed(1)} ${b.toFixed(1)}h0`).join(""));
    const last = ["train", "held"].map((key) => points[key].at(-1)), apart = last[0] && last[1] ? last[0][1] - last[1][1] : 99;
    const push = abs(apart) < 13 ? (13 - abs(apart)) / 2 * (apart < 0 ? -1 : 1) : 0;
    ends.forEach((text, i) => {
      text.textContent = last[i] ? W.lines[i] : "";
      if (last[i]) { text.setAttribute("x", last[i][0] + 6); text.setAttribute("y", last[i][1] + 4 + (i ? -push : push)); }
    });
    frame.ariaLabel = alt;
  }
  return { frame, draw };
}

export default {
  render({ model: traits, el }) {
    const model = ui.parts(traits, {
      rate: ["learning_rate", (value) => nearest(RATES, value), (i) => RATES[i]],
      batch: ["batch_size", (value) => nearest(BATCHES, value), (i) => BATCHES[i]],
      set: ["pictures", (value) => nearest(SETS, value), (i) => SETS[i]],
    });
    const view = ui.view({ model, el, name: "train-here" }), get = (key) => traits.get(key);
    const settings = () => fromEntries(KEYS.map((key) => [key, get(key)])), steps = () => shownSteps(get("checks"));
    const engine = makeEngine(), shapes = makeShapes10(), training = makeTraining();
    let net, netOf, worker, phase = "new", run, before, serial = 0, sent = false, settled = true, saidAt = 0, note = "";

    // --- a run ---
    function reset() {
      if (run?.looks.length) before = run;
      if (sent) worker?.post({ stop: true });
      sent = false;
      phase = "new";
      note = "";
      run = { id: ++serial, settings: settings(), step: 0, losses: [], hits: [], looks: [], seconds: 0, end: null, mistakes: null };
    }
    function go(batches, next) {
      if (phase === "ended") reset();
      worker ??= startWorker(trainJob, [makeEngine, makeShapes10, makeTraining], { receive, fail });
      if (!sent) worker.post({ start: settings(), id: run.id, plan: PLAN, pause: ui.reducedMotion() ? 1000 : 150 });
      sent = true;
      worker.post({ go: batches });
      phase = next;
      note = "";
      saidAt = performance.now();
      drawRun();
    }
    function pause(why = "") {
      if (phase !== "running") return;
      phase = "paused";
      settled = false; // the batch under way is still to come
      note = why;
      worker.post({ stop: true });
      drawRun();
      view.say(`${W.paused} ${why}`);
    }
    function receive(news) {
      if (news.id !== run.id) return; // of a run that is over
      if (!el.isConnected) return dispose();
      for (const key of ["losses", "hits", "looks"]) run[key].push(...news[key]);
      for (const key of ["step", "seconds", "filters"]) run[key] = news[key];
      run.mistakes = news.mistakes ?? run.mistakes;
      run.end ??= news.end; // a pause that came too late reports once more
      if (news.end) phase = "ended";
      settled ||= news.stopped;
      drawRun();
      const now = performance.now();
      if (news.end || phase === "stepped") view.say(headline.textContent);
      else if (phase === "running" && news.looks.length && now - saidAt > CALM) {
        saidAt = now;
        view.say(headline.textContent);
      }
    }
    function fail(error) {
      worker?.terminate();
      worker = undefined;
      reset();
      note = fill(W.failed, { error });
      drawRun();
      view.say(note);
    }

    // --- what is there before a run: the net, its start weights, a picture of each class ---
    const filters = count(16, () => canvas(5)), moved = h("p", { class: "cnnlib-muted" });
    const filterBox = h("div", { class: "cnnlib-train-filters", role: "img" }, filters);
    const chips = h("ol", { class: "cnnlib-train-net" }), total = h("p", { class: "cnnlib-muted" });
    const scores = count(10, () => h("span", { class: "score" }));
    const examples = count(10, () => canvas(SIDE));
    const classes = h("ul", { class: "cnnlib-train-pictures" }, count(10, (label) => h("li", examples[label], h("span", W.classes[label]), scores[label])));
    // One at a time: the first pictures that a page draws take it some 10 ms each.
    let drawing;
    function drawExamples(label = 0) {
      paintPicture(examples[label], shapes.draw(label, engine.chance(40 + label)));
      if (label < 9) drawing = setTimeout(() => drawExamples(label + 1));
    }
    function build() {
      const now = [get("seed"), get("batch_normalization"), get("dropout")].join();
      if (netOf === now) return;
      netOf = now;
      net = engine.load(training.net(settings()), get("seed"));
      const size = (l, learnt) => entries(l.weights ?? {}).reduce((sum, [name, values]) => sum + (learnt && name.startsWith("moving") ? 0 : values.length), 0);
      const sum = (learnt) => big(net.layers.reduce((all, l) => all + size(l, learnt), 0));
      put(chips, net.layers.map((l) => h("li", h("b", W.layers[l.type]), fill(W.details[l.type] ?? "", { filters: l.filters, k: l.kernel_size, strides: l.strides, rate: l.rate }), h("span", by(l.shape)),
        size(l) > 0 && h("small", fill(W.params, { n: big(size(l)) })))));
      total.textContent = fill(get("batch_normalization") ? W.totalNorm : W.total, { all: sum(), learnt: sum(true) });
    }
    function code() {
      const on = { norm: get("batch_normalization"), dropout: get("dropout") > 0, decay: get("decay"), constant: !get("decay"), [get("optimizer")]: true };
      const values = { ...settings(), ...PLAN, steps: steps() };
      return DATA.code.flatMap((text) => {
        const [, part, rest] = /^\?(\w+)\|(.*)$/.exec(text) ?? ["", "", text];
        return !part || on[part] ? [fill(rest, values)] : [];
      }).join("\n") + "\n";
    }

    // --- the run so far ---
    const charts = ["accuracy", "loss"].map(chart), headline = h("p", { class: "cnnlib-train-head" }), problem = h("p", { class: "cnnlib-problem", hidden: true });
    const tiles = count(4, () => h("dd")), totals = h("dl", { class: "cnnlib-train-totals" }, W.tiles.map((name, i) => h("div", h("dt", name), tiles[i])));
    const ghost = h("p", { class: "cnnlib-muted" }), table = h("table"), tableBox = h("details", { hidden: true }, h("summary", W.table), h("div", { class: "cnnlib-train-scroll", tabindex: 0, role: "group", "aria-label": W.table }, table));
    const wrongTitle = h("h3"), wrongWords = h("p"), wrong = h("ul", { class: "cnnlib-train-pictures cnnlib-train-wrong" }), confusion = h("table");
    const confusionBox = h("details", h("summary", W.confusion), h("div", { class: "cnnlib-train-scroll", tabindex: 0, role: "group", "aria-label": W.confusion }, confusion));
    const wrongBox = h("section", { hidden: true }, wrongTitle, wrongWords, wrong, confusionBox);
    let shownMistakes, shownLooks;

    function drawRun() {
      const { step, looks, hits, losses, mistakes } = run, all = steps(), look = looks.at(-1), best = looks.reduce((a, b) => (b.accuracy > a.accuracy ? b : a), looks[0]);
      const now = { step: big(step), steps: big(all), held: PLAN.held, pictures: big(get("pictures")), pass: big(step * get("batch_size") / get("pictures"), 1), seconds: big(run.seconds, run.seconds < 10 ? 1 : 0),
        train: step ? percent(meanOf(hits, step)) : "–", test: look ? percent(look.accuracy) : "–", patience: PLAN.patience, every: PLAN.every, best: best && percent(best.accuracy), at: best && big(best.step), mean: min(step, MEAN) };
      const tell = (...keys) => keys.map((key) => fill(W.head[key], now)).join(" ");
      headline.textContent = phase === "new" ? tell("new") : phase === "ended" ? tell(run.end, look ? "scores" : "none") : step ? tell(phase === "running" ? "running" : "paused", look ? "scores" : "early") : tell("starting");
      problem.hidden = !note && run.end !== "broken";
      problem.textContent = note || W.broken;
      [`${now.step} / ${now.steps}`, now.train, now.test, step ? `${loss(meanOf(losses, step))} / ${look ? loss(look.loss) : "–"}` : "–"].forEach((text, i) => { tiles[i].textContent = text; });
      const alts = step ? [fill(W.alts[0], now), fill(W.alts[1], { ...now, train: loss(meanOf(losses, step)), test: look ? loss(look.loss) : "–" })] : [W.empty, W.empty];
      charts.forEach(({ draw }, i) => draw({ run, before, steps: all, alt: alts[i] }));
      ghost.textContent = before ? fill(W.before, { settings: differences(before.settings), test: percent(before.looks.at(-1).accuracy) }) : W.legend;
      const kernel = run.filters ?? net.layer("conv_1").weights.kernel, start = net.layer("conv_1").weights.kernel;
      filters.forEach((filter, f) => paintFilter(filter, kernel, f));
      let gone = 0, length = 0;
      start.forEach((w, i) => { gone += (kernel[i] - w) ** 2; length += w * w; });
      moved.textContent = fill(step ? W.moved : W.unmoved, { share: percent(sqrt(gone / length)) });
      filterBox.ariaLabel = `${W.filters}. ${moved.textContent}`;
      if (shownMistakes !== mistakes) drawMistakes(shownMistakes = mistakes);
      if (shownLooks !== looks.length) {
        shownLooks = looks.length;
        tableBox.hidden = !looks.length;
        put(table, h("tr", W.columns.map((name) => h("th", { scope: "col" }, name))), looks.map((l) => h("tr", h("th", { scope: "row" }, l.step),
          [percent(l.trainAccuracy, 1), percent(l.accuracy, 1), big(l.trainLoss, 3), big(l.loss, 3)].map((text) => h("td", text)))));
      }
      playButton.textContent = phase === "running" ? W.pause : phase === "ended" ? W.again : step ? W.goOn : W.play;
      stepButton.ariaDisabled = `${phase === "running" || phase === "ended"}`;
      el.dataset.phase = phase === "paused" && !settled ? "pausing" : phase;
    }
    // "learning rate 0.003, batch normalisation on": what was otherwise
    function differences(old) {
      const apart = KEYS.filter((key) => old[key] !== get(key));
      return apart.length ? apart.map((key) => `${W.names[key]} ${W.values[old[key]] ?? big(old[key], 3)}`).join(", ") : W.sameSettings;
    }
    function drawMistakes(mistakes) {
      wrongBox.hidden = !mistakes;
      scores.forEach((score, label) => {
        const row = mistakes?.counts[label], share = row ? row[label] / row.reduce((a, b) => a + b) : 0;
        score.textContent = row ? percent(share) : "";
        score.style.setProperty("--share", `${100 * share}%`);
      });
      if (!mistakes) return;
      const { counts } = mistakes, pairs = counts.flatMap((row, label) => row.map((n, guess) => ({ n: guess === label ? 0 : n, label, guess })));
      const all = pairs.reduce((sum, { n }) => sum + n, 0), most = pairs.reduce((a, b) => (b.n > a.n ? b : a));
      wrongTitle.textContent = fill(W.mistakes, { n: all, held: PLAN.held });
      wrongWords.textContent = all ? fill(mistakes.wrong.length < all ? W.oftenSome : W.often, { label: W.classes[most.label], guess: W.classes[most.guess], n: most.n, shown: mistakes.wrong.length }) : W.noMistake;
      put(wrong, mistakes.wrong.map(({ label, guess, pixels }) => h("li", paintPicture(canvas(SIDE), pixels), h("span", W.classes[label]), h("span", { class: "cnnlib-train-taken" }, fill(W.taken, { guess: W.classes[guess] })))));
      put(confusion, h("tr", h("th", { scope: "col" }, W.corner), W.classes.map((name) => h("th", { scope: "col" }, name))),
        counts.map((row, label) => h("tr", h("th", { scope: "row" }, W.classes[label]), row.map((n, guess) => h("td", { class: guess === label ? "right" : n > 0 && "wrong", style: `--share:${min(100, 25 + 5 * n)}%` }, n || "·")))));
    }

    // --- the reader's hand ---
    const playButton = ui.button(W.play, () => (phase === "running" ? pause() : go(Infinity, "running")), { class: "cnnlib-button cnnlib-train-play" });
    const stepButton = ui.button(W.step, () => { if (stepButton.ariaDisabled === "false") go(1, "stepped"); });
    const resetButton = ui.button(W.reset, () => { reset(); drawRun(); view.say(headline.textContent); });
    const trys = Object.keys(PRESETS).map((name) => ui.button(W.presets[name], () => view.set({ ...BASE, ...PRESETS[name], seed: get("seed") })));
    const why = h("p", { class: "cnnlib-train-why" });
    const script = h("pre", { tabindex: 0 });
    el.append(
      h("div", { class: "cnnlib-controls" },
        view.range("rate", { min: 0, max: RATES.length - 1, format: () => String(get("learning_rate")) }),
        view.range("batch", { min: 0, max: BATCHES.length - 1, format: () => get("batch_size") }),
        view.range("set", { min: 0, max: SETS.length - 1, format: () => big(get("pictures")) }),
        view.range("dropout", { min: 0, max: MOST.dropout, step: 0.1, format: (rate) => (rate ? big(rate, 2) : W.off) }),
        view.range("checks", { max: MOST.checks, format: (checks) => big(shownSteps(checks)) }),
        view.range("seed", { min: 0, max: 99 }),
        view.choice("optimizer", W.optimizers),
        h("div", { class: "cnnlib-train-checks" }, view.checkbox("batch_normalization"), view.checkbox("decay"))),
      h("div", { class: "cnnlib-train-try" }, h("span", W.try), trys), why,
      h("div", { class: "cnnlib-train-player" }, playButton, stepButton, resetButton),
      headline, problem, totals,
      h("section", h("h3", W.classesTitle), classes),
      h("div", { class: "cnnlib-train-stage" }, charts.map(({ frame }, i) => h("section", h("h3", W.titles[i]), frame))),
      ghost, tableBox,
      h("section", h("h3", W.filters), filterBox, moved), wrongBox,
      h("section", h("h3", W.netTitle), chips, total),
      h("details", h("summary", W.code), view.copy(() => script.textContent), script, h("p", { class: "cnnlib-muted" }, W.codeNote)));

    drawing = setTimeout(() => drawExamples());
    reset();
    view.watch(KEYS, () => {
      const changed = !ui.same(run.settings, settings());
      if (changed) reset();
      build();
      const preset = Object.keys(PRESETS).find((name) => ui.same({ ...BASE, ...PRESETS[name], seed: get("seed") }, settings()));
      trys.forEach((button, i) => { button.ariaPressed = `${Object.keys(PRESETS)[i] === preset}`; });
      why.textContent = preset ? W.why[preset] : W.whyOwn;
      script.textContent = code();
      drawRun();
      if (changed) view.say(W.changed);
    });
    const hide = () => { if (document.hidden) pause(W.hiddenPage); }, leave = () => pause(W.hiddenPage);
    document.addEventListener("visibilitychange", hide);
    addEventListener("pagehide", leave);
    function dispose() {
      clearTimeout(drawing);
      worker?.terminate();
      worker = undefined;
      phase = "ended";
      document.removeEventListener("visibilitychange", hide);
      removeEventListener("pagehide", leave);
      view.dispose();
    }
    return dispose;
  },
};
