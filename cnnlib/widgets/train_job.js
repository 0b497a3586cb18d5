// The training of train_here.js, without a page: what a worker does (see worker.js), on engine.js and shapes10.js. No DOM.
//
// Settings are the traits of train_here.py. Chance follows from the seed: start weights and dropout from one stream, the
// training pictures from another, their order from a third. The held-out pictures are the same for every seed.

// What the worker and the page both need to know of a run.
export function makeTraining() {
  const MOMENTUM = 0.9, HELD_SEED = 987654321; // of batch normalisation: a short run cannot wait for 0.99
  // The net that Python's `model()` builds, as engine.js takes it.
  function net({ batch_normalization, dropout }) {
    const layers = [{ name: "input", type: "InputLayer", inputs: [], shape: [32, 32, 3] }];
    const add = (name, type, settings) => layers.push({ name, type, inputs: [layers.at(-1).name], ...settings });
    add("rescaling", "Rescaling", { scale: 1 / 127.5, offset: -1 });
    for (const [i, settings] of [{ filters: 16, kernel_size: 5, strides: 2 }, { filters: 32, kernel_size: 3 }].entries()) {
      add(`conv_${i + 1}`, "Conv2D", { ...settings, padding: "same" });
      if (batch_normalization) add(`norm_${i + 1}`, "BatchNormalization", { momentum: MOMENTUM });
      add(`relu_${i + 1}`, "Activation", { activation: "relu" });
      add(`pool_${i + 1}`, "MaxPooling2D", { strides: 2 });
    }
    add("flatten", "Flatten");
    if (dropout > 0) add("dropout", "Dropout", { rate: dropout });
    add("dense", "Dense", { units: 10 });
    return { name: "train_here", layers };
  }
  // The learning rate of a step, counted from 0: as it is set, or Keras's CosineDecay to 0 at the last step.
  const rate = ({ learning_rate, decay }, step, steps) => (decay ? learning_rate * 0.5 * (1 + Math.cos(Math.PI * Math.min(step, steps) / steps)) : learning_rate);
  // Whole numbers below `count`, each once, in a random order
  function shuffled(values, next) {
    for (let i = values.length - 1; i > 0; i--) {
      const j = Math.floor((i + 1) * next());
      [values[i], values[j]] = [values[j], values[i]];
    }
    return values;
  }
  // A set of pictures, each class as often as another, drawn one by one as they are needed: `upTo(n)` draws those before n.
  function set(shapes, count, next) {
    const labels = shuffled(Uint8Array.from({ length: count }, (_, i) => i % 10), next), pixels = new Uint8Array(count * 3072);
    let drawn = 0;
    return { labels, pixels, upTo(n) { for (; drawn < n; drawn++) shapes.draw(labels[drawn], next, pixels, drawn * 3072); } };
  }
  return { net, rate, shuffled, set, HELD_SEED };
}

// Messages: { start: settings, id, plan, pause } makes a run ready, { go: steps } trains at most so many batches, { stop: true }
// leaves off. `plan` is { held, every, patience }: how many pictures are held out, how many batches lie between two looks
// at them, how many looks without a new best end the run. `pause` in ms lies between two reports.
// A report: { id, step, seconds, filters }, with `stopped` the last one for now, and what is new since the last one: { losses, hits, looks, end, mistakes }.
export function trainJob([engine, shapes, training], post) {
  const OPTIMIZERS = { adam: engine.adam, sgd: engine.sgd };
  let held, run, told = 0;

  function start({ start: settings, id, plan, pause }) {
    const { seed, pictures, optimizer, batch_size } = settings, net = engine.load(training.net(settings), seed);
    held ??= training.set(shapes, plan.held, engine.chance(training.HELD_SEED));
    run = {
      settings, id, plan, pause, net, steps: plan.every * settings.checks, step: 0, seconds: 0, best: -1, wait: 0, sum: [0, 0],
      optimizer: OPTIMIZERS[optimizer](net, optimizer === "sgd" ? { momentum: 0.9 } : {}),
      train: training.set(shapes, pictures, engine.chance(seed + 0x10000000)), order: Uint32Array.from({ length: pictures }, (_, i) => i),
      next: engine.chance(seed + 0x20000000), at: 0, pixels: new Float32Array(batch_size * 3072), labels: new Uint8Array(batch_size), news: fresh(),
    };
  }
  const fresh = () => ({ losses: [], hits: [], looks: [], end: null, mistakes: null });
  // The pictures of a pass come in an order of its own; a batch may begin in one pass and end in the next.
  function* batch() {
    const { train, order, pixels, labels, next } = run;
    for (let i = 0; i < labels.length; i++, run.at++) {
      if (run.at && run.at % order.length === 0) training.shuffled(order, next);
      const which = order[run.at % order.length];
      train.upTo(run.at < order.length ? which + 1 : 0);
      pixels.set(train.pixels.subarray(which * 3072, (which + 1) * 3072), i * 3072);
      labels[i] = train.labels[which];
      if (i % 16 === 15) yield;
    }
  }
  function* step() {
    const { net, settings, optimizer, sum } = run;
    yield* batch();
    optimizer.learning_rate = training.rate(settings, run.step, run.steps);
    const { loss, correct } = yield* net.trainSlices(run.pixels, run.labels, optimizer);
    const { news } = run; // now: a report in between has begun another
    run.step++;
    news.losses.push(loss);
    news.hits.push(correct / run.labels.length);
    sum[0] += loss;
    sum[1] += correct / run.labels.length;
    if (!Number.isFinite(loss)) news.end = "broken";
    else if (run.step % run.plan.every === 0) yield* look();
  }
  // The held-out pictures: how many are right, and which are not
  function* look() {
    const { net, plan, sum } = run, size = 25, guesses = [], pixels = new Float32Array(size * 3072);
    let loss = 0, correct = 0;
    for (let from = 0; from < plan.held; from += size) {
      const to = Math.min(from + size, plan.held), labels = held.labels.subarray(from, to);
      held.upTo(to);
      const part = pixels.subarray(0, (to - from) * 3072);
      part.set(held.pixels.subarray(from * 3072, to * 3072));
      const logits = net.forward(part), result = engine.crossEntropy(logits, labels, new Float32Array(logits.length));
      loss += result.loss * labels.length;
      correct += result.correct;
      labels.forEach((_, i) => { const row = logits.subarray(10 * i, 10 * i + 10); guesses.push(row.indexOf(Math.max(...row))); });
      yield;
    }
    const accuracy = correct / plan.held, { news } = run, every = plan.every;
    news.looks.push({ step: run.step, loss: loss / plan.held, accuracy, trainLoss: sum[0] / every, trainAccuracy: sum[1] / every });
    news.mistakes = mistakes(guesses);
    run.sum = [0, 0];
    run.wait = accuracy > run.best ? 0 : run.wait + 1;
    run.best = Math.max(run.best, accuracy);
    if (run.step >= run.steps) news.end = "limit";
    else if (run.wait >= plan.patience) news.end = "still";
  }
  // How often each class was taken for each, and the first pictures that were got wrong
  function mistakes(guesses) {
    const counts = Array.from({ length: 10 }, () => Array(10).fill(0)), wrong = [];
    guesses.forEach((guess, i) => {
      const label = held.labels[i];
      counts[label][guess]++;
      if (guess !== label && wrong.length < 24) wrong.push({ label, guess, pixels: held.pixels.slice(i * 3072, (i + 1) * 3072) });
    });
    return { counts, wrong };
  }
  function report(more) {
    told = performance.now();
    post({ id: run.id, step: run.step, seconds: run.seconds, filters: run.net.layer("conv_1").weights.kernel.slice(), ...run.news, ...more });
    run.news = fresh();
  }
  return (message) => {
    if (message.start) start(message);
    if (message.stop) {
      run.goal = 0;
      report({ stopped: true });
    }
    return message.go && (function* () {
      let last = performance.now();
      const clock = () => { const now = performance.now(); run.seconds += (now - last) / 1000; last = now; };
      try {
        // A message can end this at any yield. Then the step under way waits, half done, for the next time: a run's numbers
        // do not depend on when it was paused.
        // Two presses while one batch is under way ask for two.
        run.goal = Math.max(run.goal ?? 0, run.step) + message.go;
        while (!run.ended && (run.pending || run.step < run.goal)) {
          run.pending ??= step();
          while (!run.pending.next().done) yield;
          run.pending = undefined;
          run.ended = run.news.end;
          if (performance.now() - told > run.pause) clock(), report();
          yield;
        }
      } finally { clock(); }
      if (run.news.losses.length) report();
    })();
  };
}
