// A small CNN engine: it runs and trains, in the page, nets that Keras describes, and gives Keras's numbers.
//
//   const engine = makeEngine(), net = engine.load(description);
//   const scores = net.forward(pixels);           // one picture or several, numbers in NHWC order
//   const sgd = engine.sgd(net, { learning_rate: 0.1, momentum: 0.9 });
//   const { loss, correct } = net.trainBatch(pixels, labels, sgd);
//
// The whole engine is one function that names nothing outside itself, so that a page can make a worker of its text:
//   new Worker(URL.createObjectURL(new Blob([`const engine = (${makeEngine})(); onmessage = ...`])))
//
// A net is plain JSON (widgets/page_model.py writes it):
//   { name, layers: [{ name, type, inputs: [names of layers before it], ...settings, weights }, ...] }
// The first layer is the only InputLayer, with its shape [height, width, channels]; the last one is the output.
// Types, settings and their defaults are Keras's own, and only what differs from a default need be there:
//   Conv2D              filters, kernel_size, strides, padding, dilation_rate, activation, use_bias
//   Dense               units, activation, use_bias
//   BatchNormalization  momentum, epsilon, center, scale
//   Activation          activation: "linear", "relu", "sigmoid", "tanh" or "softmax"
//   MaxPooling2D, AveragePooling2D   pool_size, strides, padding
//   GlobalAveragePooling2D, Flatten, Add, Concatenate (of channels), Dropout (rate), Rescaling (scale, offset)
// Two-sided settings are one number or [rows, columns]. `trainable: false` freezes a layer as in Keras. `shape`, that of
// one picture's output, is checked where it is given.
// `weights` are arrays by Keras's names (kernel in HWIO order, bias; gamma, beta, moving_mean, moving_variance),
// each a Float32Array, a list of numbers, { float32: base64 }, or { int8: base64, scales: base64 of float32 }: whole
// numbers to be multiplied by one scale an output channel. A layer without `weights` starts as in Keras, Glorot uniform,
// drawn from the seed. No DOM, no imports. Bad input is a RangeError.

export function makeEngine() {
  const { ceil, exp, floor, max, min, sqrt } = Math;
  const fail = (text) => { throw new RangeError(text); };
  const product = (sides) => sides.reduce((a, b) => a * b, 1);
  const range = (length) => Array.from({ length }, (_, i) => i);
  const both = (sides) => (Array.isArray(sides) ? sides : [sides, sides]);
  function toEnd(steps) { // what a generator returns
    for (;;) {
      const { done, value } = steps.next();
      if (done) return value;
    }
  }

  // --- memory: buffers grow where they must and are used again at each step ---

  // `owner[role]`, a Float32Array of that length: part of a buffer that is kept as long as it is large enough
  function fit(owner, role, length) {
    if (owner[role]?.length === length) return owner[role];
    const rooms = (owner.rooms ??= {});
    if (!(rooms[role]?.length >= length)) rooms[role] = new Float32Array(length);
    return (owner[role] = rooms[role].subarray(0, length));
  }
  // what lives no longer than one layer's step: shared by all layers, as long as the longest needs it
  const scratch = {};
  function room(role, length) {
    if (!(scratch[role]?.length >= length)) scratch[role] = new Float32Array(length);
    return scratch[role];
  }
  const perChannel = (l, role) => (l[role] ??= new Float64Array(l.channels));

  // --- chance: mulberry32, the numbers of chance.js and chance.py ---

  function chance(seed) {
    return () => {
      seed = (seed + 0x6d2b79f5) | 0;
      let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
  }

  // --- products of matrices ---

  // C (m x n) += A (m x k) . B (k x n). Each matrix comes with where it starts and how far apart its rows and columns
  // are: a transpose costs no copy. Sixteen sums stay in registers, so a number that is read serves four products.
  // At the edges the last row or column stands in for those that are not there: it is computed twice, to the same end.
  function multiplyAdd(m, n, k, a, aStart, aRow, aStep, b, bStart, bStep, bColumn, c, cStart, cRow) {
    for (let i = 0; i < m; i += 4) {
      const a0 = aStart + i * aRow, a1 = aStart + min(i + 1, m - 1) * aRow;
      const a2 = aStart + min(i + 2, m - 1) * aRow, a3 = aStart + min(i + 3, m - 1) * aRow;
      const c0 = cStart + i * cRow, c1 = cStart + min(i + 1, m - 1) * cRow;
      const c2 = cStart + min(i + 2, m - 1) * cRow, c3 = cStart + min(i + 3, m - 1) * cRow;
      for (let j = 0; j < n; j += 4) {
        const j1 = min(j + 1, n - 1), j2 = min(j + 2, n - 1), j3 = min(j + 3, n - 1);
        const b0 = bStart + j * bColumn, b1 = bStart + j1 * bColumn, b2 = bStart + j2 * bColumn, b3 = bStart + j3 * bColumn;
        let s00 = c[c0 + j], s01 = c[c0 + j1], s02 = c[c0 + j2], s03 = c[c0 + j3];
        let s10 = c[c1 + j], s11 = c[c1 + j1], s12 = c[c1 + j2], s13 = c[c1 + j3];
        let s20 = c[c2 + j], s21 = c[c2 + j1], s22 = c[c2 + j2], s23 = c[c2 + j3];
        let s30 = c[c3 + j], s31 = c[c3 + j1], s32 = c[c3 + j2], s33 = c[c3 + j3];
        for (let p = 0, q = 0, end = k * aStep; p < end; p += aStep, q += bStep) {
          const y0 = b[b0 + q], y1 = b[b1 + q], y2 = b[b2 + q], y3 = b[b3 + q];
          let x = a[a0 + p];
          s00 += x * y0; s01 += x * y1; s02 += x * y2; s03 += x * y3;
          x = a[a1 + p];
          s10 += x * y0; s11 += x * y1; s12 += x * y2; s13 += x * y3;
          x = a[a2 + p];
          s20 += x * y0; s21 += x * y1; s22 += x * y2; s23 += x * y3;
          x = a[a3 + p];
          s30 += x * y0; s31 += x * y1; s32 += x * y2; s33 += x * y3;
        }
        c[c0 + j] = s00; c[c0 + j1] = s01; c[c0 + j2] = s02; c[c0 + j3] = s03;
        c[c1 + j] = s10; c[c1 + j1] = s11; c[c1 + j2] = s12; c[c1 + j3] = s13;
        c[c2 + j] = s20; c[c2 + j1] = s21; c[c2 + j2] = s22; c[c2 + j3] = s23;
        c[c3 + j] = s30; c[c3 + j1] = s31; c[c3 + j2] = s32; c[c3 + j3] = s33;
      }
    }
  }

  // --- windows: what convolutions and pools share; of each pair, rows come first ---

  // Keras's rule: "same" gives ceil(n / stride) outputs, and the odd zero goes after
  function layWindows(l, shape, size, step, gap = [1, 1]) {
    if (shape.length !== 3) fail(`layer '${l.name}' takes pictures, and gets the shape ${shape}`);
    if (l.padding !== "same" && l.padding !== "valid") fail(`layer '${l.name}' has padding '${l.padding}': use 'valid' or 'same'`);
    const sides = shape.slice(0, 2), before = [0, 0];
    const out = sides.map((n, axis) => {
      const covers = gap[axis] * (size[axis] - 1) + 1, steps = step[axis];
      if (l.padding === "same") {
        const outputs = ceil(n / steps);
        before[axis] = floor(max((outputs - 1) * steps + covers - n, 0) / 2);
        return outputs;
      }
      if (covers > n) fail(`layer '${l.name}' has windows of ${covers} cells and gets only ${n}`);
      return floor((n - covers) / steps) + 1;
    });
    l.windows = { sides, out, size, step, gap, before };
    return [...out, shape[2]];
  }
  // visit(output, input) for every cell inside the picture of every window, both counted over all pictures
  function overWindows(l, count, visit) {
    const { sides: [h, w], out: [rows, columns], size, step, gap, before } = l.windows;
    for (let n = 0, o = 0; n < count; n++)
      for (let y = 0; y < rows; y++)
        for (let x = 0; x < columns; x++, o++)
          for (let i = 0; i < size[0]; i++) {
            const row = y * step[0] - before[0] + i * gap[0];
            if (row < 0 || row >= h) continue;
            for (let j = 0; j < size[1]; j++) {
              const column = x * step[1] - before[1] + j * gap[1];
              if (column >= 0 && column < w) visit(o, (n * h + row) * w + column);
            }
          }
  }
  // The windows of outputs `first` to `last`, each unrolled into one row of the matrix `rolled` (im2col). With `back`
  // the other way: what stands in the matrix is added to the cells that it came from.
  function unroll(l, x, c, first, last, rolled, back) {
    const { sides: [h, w], out: [rows, columns], size: [kh, kw], step, gap, before } = l.windows;
    for (let o = first, to = 0; o < last; o++) {
      const n = floor(o / (rows * columns)), rest = o - n * rows * columns, y = floor(rest / columns);
      const top = y * step[0] - before[0], left = (rest - y * columns) * step[1] - before[1];
      // cells side by side in the picture are side by side in memory: a row inside it goes over in one run
      const run = gap[1] === 1 && left >= 0 && left + kw <= w ? kw : 1;
      for (let i = 0; i < kh; i++) {
        const row = top + i * gap[0];
        for (let j = 0; j < kw; j += run) {
          const column = left + j * gap[1], end = to + run * c;
          if (row < 0 || row >= h || column < 0 || column >= w) {
            if (!back) rolled.fill(0, to, end);
            to = end;
            continue;
          }
          let from = ((n * h + row) * w + column) * c;
          if (back) while (to < end) x[from++] += rolled[to++];
          else while (to < end) rolled[to++] = x[from++];
        }
      }
    }
  }

  // --- activations: `slope` is the derivative, told by the output ---

  const ACTIVATIONS = {
    linear: {},
    relu: { value: (x) => (x < 0 ? 0 : x), slope: (y) => (y > 0 ? 1 : 0) },
    sigmoid: { value: (x) => 1 / (1 + exp(-x)), slope: (y) => y * (1 - y) },
    tanh: { value: Math.tanh, slope: (y) => 1 - y * y },
    softmax: {},
  };
  function softmax(y, classes) {
    for (let at = 0; at < y.length; at += classes) {
      let largest = -Infinity, sum = 0;
      for (let i = at; i < at + classes; i++) largest = max(largest, y[i]);
      for (let i = at; i < at + classes; i++) sum += y[i] = exp(y[i] - largest);
      for (let i = at; i < at + classes; i++) y[i] /= sum;
    }
  }
  function activate(l) {
    const y = l.output, { value } = ACTIVATIONS[l.activation];
    if (l.activation === "softmax") softmax(y, l.channels);
    else if (value) for (let i = 0; i < y.length; i++) y[i] = value(y[i]);
  }
  // the gradient before the activation; l.gradient itself stays what it is, for who looks at it
  function beforeActivation(l) {
    const y = l.output, g = l.gradient, { slope } = ACTIVATIONS[l.activation];
    if (l.activation === "linear") return g;
    const d = fit(l, "delta", y.length);
    if (slope) for (let i = 0; i < y.length; i++) d[i] = g[i] * slope(y[i]);
    else for (let at = 0; at < y.length; at += l.channels) {
      let sum = 0;
      for (let i = at; i < at + l.channels; i++) sum += g[i] * y[i];
      for (let i = at; i < at + l.channels; i++) d[i] = y[i] * (g[i] - sum);
    }
    return d;
  }

  // --- layers with a kernel: a Dense layer is a 1x1 convolution of its rows ---

  const ROLLED = 32768; // numbers unrolled at a time: they stay in the processor's cache

  // visit(first, last, matrix, where it starts) for parts of the outputs, with their windows unrolled
  function inParts(l, x, visit) {
    const rows = l.output.length / l.channels, { kernel } = l.weights, k = kernel.length / l.channels;
    if (l.direct) return visit(0, rows, x.output, k);
    const part = max(4, floor(ROLLED / k / 4) * 4);
    for (let first = 0; first < rows; first += part) {
      const last = min(rows, first + part), rolled = room("rolled", part * k);
      unroll(l, x.output, x.channels, first, last, rolled);
      visit(first, last, rolled, k);
    }
  }
  const withKernel = {
    forward(l, x) {
      const { kernel, bias } = l.weights, f = l.channels, y = l.output;
      for (let i = 0; i < y.length;) for (let j = 0; j < f; j++) y[i++] = bias ? bias[j] : 0;
      inParts(l, x, (first, last, rows, k) =>
        multiplyAdd(last - first, f, k, rows, 0, k, 1, kernel, 0, f, 1, y, first * f, f));
      activate(l);
    },
    backward(l, x, wanted) {
      const { kernel } = l.weights, { kernel: dKernel, bias: dBias } = l.gradients, f = l.channels, d = beforeActivation(l);
      if (dBias) for (let i = 0; i < d.length;) for (let j = 0; j < f; j++) dBias[j] += d[i++];
      inParts(l, x, (first, last, rows, k) => {
        multiplyAdd(k, f, last - first, rows, 0, 1, k, d, first * f, f, 1, dKernel, 0, f);
        if (!wanted) return;
        const dRows = l.direct ? x.gradient : room("back", (last - first) * k).fill(0, 0, (last - first) * k);
        multiplyAdd(last - first, k, f, d, first * f, f, 1, kernel, 0, 1, f, dRows, 0, k);
        if (!l.direct) unroll(l, x.gradient, x.channels, first, last, dRows, true);
      });
    },
  };

  // --- batch normalisation ---

  // mean and variance of each channel, the variance by division by the count, as Keras has it
  function statistics(x, c, mean, variance) {
    const rows = x.length / c;
    mean.fill(0);
    for (let i = 0; i < x.length;) for (let j = 0; j < c; j++) mean[j] += x[i++];
    for (let j = 0; j < c; j++) mean[j] /= rows;
    variance.fill(0);
    for (let i = 0; i < x.length;) for (let j = 0; j < c; j++) variance[j] += (x[i++] - mean[j]) ** 2;
    for (let j = 0; j < c; j++) variance[j] /= rows;
  }
  const batchNormalization = {
    defaults: { momentum: 0.99, epsilon: 1e-3, center: true, scale: true },
    shape: ([x]) => x,
    weights: (l, x) => ({
      ...(l.scale && { gamma: x.slice(-1) }), ...(l.center && { beta: x.slice(-1) }),
      moving_mean: x.slice(-1), moving_variance: x.slice(-1),
    }),
    forward(l, x, training) {
      const { gamma, beta, moving_mean, moving_variance } = l.weights, c = l.channels, y = l.output, from = x.output;
      const mean = perChannel(l, "mean"), deviation = perChannel(l, "deviation"), factor = perChannel(l, "factor");
      if ((l.ofBatch = training && l.trainable)) {
        statistics(from, c, mean, deviation); // the variance; its root comes below
        for (let j = 0; j < c; j++) {
          moving_mean[j] = moving_mean[j] * l.momentum + mean[j] * (1 - l.momentum);
          moving_variance[j] = moving_variance[j] * l.momentum + deviation[j] * (1 - l.momentum);
        }
      } else mean.set(moving_mean), deviation.set(moving_variance);
      for (let j = 0; j < c; j++) {
        deviation[j] = sqrt(deviation[j] + l.epsilon);
        factor[j] = (gamma ? gamma[j] : 1) / deviation[j];
      }
      for (let i = 0; i < y.length;)
        for (let j = 0; j < c; j++, i++) y[i] = (from[i] - mean[j]) * factor[j] + (beta ? beta[j] : 0);
    },
    backward(l, x, wanted) {
      const { mean, deviation, factor, gradient: d, channels: c } = l, from = x.output, to = x.gradient;
      const sums = perChannel(l, "sums").fill(0), products = perChannel(l, "products").fill(0), rows = d.length / c;
      for (let i = 0; i < d.length;)
        for (let j = 0; j < c; j++, i++) sums[j] += d[i], products[j] += d[i] * (from[i] - mean[j]) / deviation[j];
      for (let j = 0; j < c; j++) {
        if (l.gradients.gamma) l.gradients.gamma[j] += products[j];
        if (l.gradients.beta) l.gradients.beta[j] += sums[j];
      }
      if (!wanted) return;
      // with the batch's own statistics an input also acts through the mean and the variance; moving ones are constants
      if (!l.ofBatch) sums.fill(0), products.fill(0);
      for (let j = 0; j < c; j++) sums[j] /= rows, products[j] /= rows * deviation[j];
      for (let i = 0; i < d.length;)
        for (let j = 0; j < c; j++, i++) to[i] += factor[j] * (d[i] - sums[j] - (from[i] - mean[j]) * products[j]);
    },
  };

  // --- pools ---

  const pooling = {
    defaults: { pool_size: 2, padding: "valid" },
    shape: ([x], l) => layWindows(l, x, both(l.pool_size), both(l.strides ?? l.pool_size)),
  };
  const maxPooling = {
    ...pooling,
    forward(l, { output: x }, training, count) {
      const y = l.output.fill(-Infinity), c = l.channels;
      overWindows(l, count, (o, i) => {
        for (let to = o * c, from = i * c, end = to + c; to < end; to++, from++) if (x[from] > y[to]) y[to] = x[from];
      });
    },
    // of equal cells the first one gets all, as in TensorFlow
    backward(l, { output: x, gradient: dx }, wanted, count) {
      const { output: y, gradient: d, channels: c } = l, given = room("given", y.length).fill(0, 0, y.length);
      overWindows(l, count, (o, i) => {
        for (let to = o * c, from = i * c, end = to + c; to < end; to++, from++)
          if (x[from] === y[to] && !given[to]) given[to] = 1, dx[from] += d[to];
      });
    },
  };
  // padding does not count; how many cells a window has inside the picture is the same for every picture
  function cellsOf(l) {
    const cells = new Float32Array(product(l.windows.out));
    overWindows(l, 1, (o) => cells[o]++);
    return cells;
  }
  const averagePooling = {
    ...pooling,
    forward(l, { output: x }, training, count) {
      const y = l.output.fill(0), c = l.channels, cells = (l.cells ??= cellsOf(l));
      overWindows(l, count, (o, i) => {
        for (let j = 0; j < c; j++) y[o * c + j] += x[i * c + j];
      });
      for (let i = 0; i < y.length; i++) y[i] /= cells[floor(i / c) % cells.length];
    },
    backward(l, { gradient: dx }, wanted, count) {
      const { gradient: d, channels: c, cells } = l;
      overWindows(l, count, (o, i) => {
        for (let j = 0; j < c; j++) dx[i * c + j] += d[o * c + j] / cells[o % cells.length];
      });
    },
  };
  const globalAveragePooling = {
    shape: ([x]) => x.slice(-1),
    forward(l, { output: x, size }) {
      const y = l.output.fill(0), c = l.channels;
      for (let i = 0; i < x.length; i++) y[floor(i / size) * c + (i % c)] += (x[i] * c) / size;
    },
    backward(l, { gradient: dx, size }) {
      for (let i = 0, c = l.channels; i < dx.length; i++) dx[i] += (l.gradient[floor(i / size) * c + (i % c)] * c) / size;
    },
  };

  // --- joins, and what changes numbers one by one ---

  const add = {
    shape: (shapes, l) => shapes.every((shape) => `${shape}` === `${shapes[0]}`) ? shapes[0]
      : fail(`layer '${l.name}' adds shapes that differ: ${shapes.join(" and ")}`),
    forward(l) {
      const y = l.output.fill(0);
      for (const { output: x } of l.inputs) for (let i = 0; i < y.length; i++) y[i] += x[i];
    },
    backward(l, { gradient: dx }) {
      for (let i = 0; i < dx.length; i++) dx[i] += l.gradient[i];
    },
  };
  // visit(place in the input, place in the output) for one of the inputs, whose channels lie behind those before it
  function overPart(l, which, visit) {
    const { output, channels } = l.inputs[which];
    let to = 0;
    for (const before of l.inputs.slice(0, which)) to += before.channels;
    for (let i = 0; i < output.length; to += l.channels - channels)
      for (const end = i + channels; i < end;) visit(i++, to++);
  }
  const concatenate = {
    shape: (shapes, l) => shapes.every((shape) => `${shape.slice(0, -1)}` === `${shapes[0].slice(0, -1)}`)
      ? [...shapes[0].slice(0, -1), shapes.reduce((sum, shape) => sum + shape.at(-1), 0)]
      : fail(`layer '${l.name}' puts together shapes that differ in more than channels: ${shapes.join(" and ")}`),
    forward(l) {
      l.inputs.forEach((x, which) => overPart(l, which, (i, to) => { l.output[to] = x.output[i]; }));
    },
    backward(l, x, wanted, count, which) {
      overPart(l, which, (i, to) => { x.gradient[i] += l.gradient[to]; });
    },
  };
  const dropout = {
    defaults: { rate: 0.5 },
    shape: ([x]) => x,
    forward(l, { output: x }, training, count, next) {
      l.dropping = training && l.rate > 0;
      const mask = fit(l, "mask", l.dropping ? x.length : 0), y = l.output;
      for (let i = 0; i < mask.length; i++) mask[i] = next() < l.rate ? 0 : 1 / (1 - l.rate);
      if (l.dropping) for (let i = 0; i < y.length; i++) y[i] = x[i] * mask[i];
      else y.set(x);
    },
    backward(l, { gradient: dx }) {
      for (let i = 0; i < dx.length; i++) dx[i] += l.dropping ? l.gradient[i] * l.mask[i] : l.gradient[i];
    },
  };

  const KINDS = {
    InputLayer: { shape: (shapes, l) => l.shape, forward() {}, backward() {} },
    Rescaling: {
      defaults: { offset: 0 },
      shape: ([x]) => x,
      forward(l, { output: x }) { for (let i = 0; i < x.length; i++) l.output[i] = x[i] * l.scale + l.offset; },
      backward(l, { gradient: dx }) { for (let i = 0; i < dx.length; i++) dx[i] += l.gradient[i] * l.scale; },
    },
    Conv2D: {
      defaults: { strides: 1, padding: "valid", dilation_rate: 1, activation: "linear", use_bias: true },
      shape([x], l) {
        const size = both(l.kernel_size), step = both(l.strides);
        l.direct = product([...size, ...step]) === 1;
        return [...layWindows(l, x, size, step, both(l.dilation_rate)).slice(0, 2), l.filters];
      },
      weights: (l, x) => ({ kernel: [...both(l.kernel_size), x.at(-1), l.filters], ...(l.use_bias && { bias: [l.filters] }) }),
      ...withKernel,
    },
    Dense: {
      defaults: { activation: "linear", use_bias: true },
      shape([x], l) {
        l.direct = true;
        return [...x.slice(0, -1), l.units];
      },
      weights: (l, x) => ({ kernel: [x.at(-1), l.units], ...(l.use_bias && { bias: [l.units] }) }),
      ...withKernel,
    },
    BatchNormalization: batchNormalization,
    Activation: {
      shape: ([x]) => x,
      forward(l, x) { l.output.set(x.output), activate(l); },
      backward(l, { gradient: dx }) {
        const d = beforeActivation(l);
        for (let i = 0; i < dx.length; i++) dx[i] += d[i];
      },
    },
    MaxPooling2D: maxPooling,
    AveragePooling2D: averagePooling,
    GlobalAveragePooling2D: globalAveragePooling,
    Flatten: { shape: ([x]) => [product(x)], forward(l, x) { l.output.set(x.output); }, backward: add.backward },
    Add: add,
    Concatenate: concatenate,
    Dropout: dropout,
  };

  // --- weights ---

  function bytesOf(base64) {
    const text = atob(base64), bytes = new Uint8Array(text.length);
    for (let i = 0; i < bytes.length; i++) bytes[i] = text.charCodeAt(i);
    return bytes;
  }
  // any of the four forms of an array, as new float32 numbers
  function decode(given) {
    if (given.float32 !== undefined) return new Float32Array(bytesOf(given.float32).buffer);
    if (given.int8 === undefined) return Float32Array.from(given);
    const whole = new Int8Array(bytesOf(given.int8).buffer), scales = new Float32Array(bytesOf(given.scales).buffer);
    if (whole.length % scales.length !== 0) fail(`${whole.length} whole numbers do not fit ${scales.length} scales`);
    const numbers = new Float32Array(whole.length);
    for (let i = 0; i < whole.length;) for (let j = 0; j < scales.length; j++, i++) numbers[i] = whole[i] * scales[j];
    return numbers;
  }
  function readWeights(l, given) {
    for (const [name, shape] of Object.entries(l.weightShapes)) {
      const values = given[name] ? decode(given[name]) : fail(`layer '${l.name}' has no weights '${name}'`);
      if (values.length !== product(shape))
        fail(`layer '${l.name}' has ${values.length} numbers in '${name}': the shape ${shape} takes ${product(shape)}`);
      l.weights[name].set(values);
    }
  }
  // Glorot and Bengio's uniform numbers for kernels (Keras's default), 1 for factors, 0 for what is added
  function drawWeights(l, next) {
    for (const [name, values] of Object.entries(l.weights)) {
      const shape = l.weightShapes[name], area = product(shape.slice(0, -2));
      const limit = sqrt(6 / (area * (shape.at(-2) + shape.at(-1))));
      if (name === "kernel") for (let i = 0; i < values.length; i++) values[i] = limit * (2 * next() - 1);
      else values.fill(name === "gamma" || name === "moving_variance" ? 1 : 0);
    }
  }
  const isLearnt = (name) => !name.startsWith("moving_");

  // --- a net ---

  // One layer made ready: its settings, its inputs as layers, its shape, its weights. What a reader of a net may use:
  // shape, size (numbers a picture), channels, weights, gradients (of the weights), output and gradient (of the output),
  // and `off`, a list of channels to switch off: they give 0, whatever the layer computes.
  function makeLayer(given, named) {
    const { weights, inputs = [], ...settings } = given, { name, type } = settings, kind = KINDS[type];
    if (!kind) fail(`layer '${name}' is a ${type}: this engine has ${Object.keys(KINDS).join(", ")}`);
    if (!name || named[name]) fail(`layer name '${name}' is ${name ? "there twice" : "empty"}`);
    const l = { trainable: true, off: [], ...kind.defaults, ...settings, kind, weights: {}, gradients: {} };
    if (l.activation && !ACTIVATIONS[l.activation])
      fail(`layer '${name}' has activation '${l.activation}': this engine has ${Object.keys(ACTIVATIONS).join(", ")}`);
    l.inputs = inputs.map((input) => named[input] ?? fail(`layer '${name}' takes '${input}', which no layer before it is named`));
    const [least, most] = type === "InputLayer" ? [0, 0] : kind === add || kind === concatenate ? [1, 99] : [1, 1];
    if (inputs.length < least || inputs.length > most) fail(`layer '${name}', a ${type}, has ${inputs.length} inputs`);
    l.shape = kind.shape(l.inputs.map((x) => x.shape), l);
    if (`${settings.shape ?? l.shape}` !== `${l.shape}`) fail(`layer '${name}' gives ${l.shape}, not ${settings.shape}`);
    l.size = product(l.shape);
    l.channels = l.shape.at(-1);
    if (!(l.size > 0) || !Number.isInteger(l.size)) fail(`layer '${name}' has the shape ${l.shape}`);
    l.weightShapes = kind.weights?.(l, l.inputs[0].shape) ?? {};
    for (const [part, shape] of Object.entries(l.weightShapes)) {
      l.weights[part] = new Float32Array(product(shape));
      if (isLearnt(part)) l.gradients[part] = new Float32Array(product(shape));
    }
    l.learns = Object.keys(l.gradients).length > 0 || l.inputs.some((x) => x.learns);
    return l;
  }
  // the channels that are switched off, in an output or in its gradient
  function switchOff(l, values) {
    for (const channel of l.off) for (let i = channel; i < values.length; i += l.channels) values[i] = 0;
  }

  // `seed` draws the weights that the description does not give, and the masks of dropout
  function load(description, seed = 0) {
    const layers = [], named = Object.create(null); // a layer may be called "constructor"
    for (const given of description.layers) layers.push((named[given.name] = makeLayer(given, named)));
    if (layers.findLastIndex((l) => l.type === "InputLayer") !== 0) fail("a net has one InputLayer, its first layer");
    const input = layers[0], output = layers.at(-1);
    let next, count = 0, training = false;

    const layer = (name) => named[name] ?? fail(`'${name}' is no layer: ${layers.map((l) => l.name).join(", ")}`);
    // All weights as they were before any training, those that the description gives and those drawn from a seed
    function reset(newSeed = seed) {
      next = chance(newSeed);
      layers.forEach((l, i) => {
        const { weights } = description.layers[i];
        if (weights) readWeights(l, weights);
        else drawWeights(l, next);
      });
    }
    function compute(l) {
      fit(l, "output", count * l.size);
      l.kind.forward(l, l.inputs[0], training, count, next);
      switchOff(l, l.output);
    }
    // Computes layer by layer and yields each, so that a caller may draw, wait or give up in between
    function* slices(pixels, options = {}) {
      const pictures = pixels.length / input.size;
      if (!Number.isInteger(pictures) || !pictures)
        fail(`${pixels.length} numbers are no pictures of ${input.shape.join(" x ")}`);
      count = pictures;
      training = options.training ?? false;
      if (options.seed !== undefined) next = chance(options.seed);
      fit(input, "output", pixels.length).set(pixels);
      for (const l of layers) {
        compute(l);
        yield l;
      }
    }
    // Every layer's output is in `layer.output` afterwards, until the next call; returns the last one's
    function forward(pixels, options) {
      toEnd(slices(pixels, options));
      return output.output;
    }
    // "What if": computes this layer and all that depend on it once more, from outputs that are there
    function rerun(name) {
      const stale = new Set([layer(name)]);
      needPictures();
      for (const l of layers)
        if (stale.has(l) || l.inputs.some((x) => stale.has(x))) {
          stale.add(l);
          compute(l);
        }
      return output.output;
    }
    // After forward, and in its mode: from the gradient of the outputs to `gradients` of all weights and `gradient` of
    // every layer's output. Returns that of the pictures. `toInput: false`, in training, stops where nothing learns.
    function backward(outputGradient, options) {
      toEnd(backSlices(outputGradient, options));
      return input.gradient;
    }
    function* backSlices(outputGradient, { toInput = true } = {}) {
      needPictures();
      if (outputGradient.length !== output.output.length)
        fail(`the gradient has ${outputGradient.length} numbers, the output ${output.output.length}`);
      for (const l of layers) {
        fit(l, "gradient", l.output.length).fill(0);
        for (const values of Object.values(l.gradients)) values.fill(0);
      }
      output.gradient.set(outputGradient);
      for (const l of [...layers].reverse()) {
        switchOff(l, l.gradient);
        if (toInput || l.learns)
          l.inputs.forEach((x, which) => l.kind.backward(l, x, toInput || x.learns, count, which));
        yield l;
      }
    }
    // How the score of one class changes with each number of each picture
    function inputGradient(index) {
      if (!(Number.isInteger(index) && index >= 0 && index < output.size)) fail(`class ${index} is none of 0 to ${output.size - 1}`);
      needPictures();
      const wish = fit(output, "wish", output.output.length).fill(0);
      for (let i = index; i < wish.length; i += output.size) wish[i] = 1;
      return backward(wish);
    }
    function needPictures() {
      if (!count) fail("no picture has been computed yet: call forward first");
    }
    // One step of training, the work of one call of a worker
    const trainBatch = (pixels, labels, optimizer) => toEnd(trainSlices(pixels, labels, optimizer));
    // The same, which yields after each layer, forward and back; to give up in between spoils nothing but this batch
    function* trainSlices(pixels, labels, optimizer) {
      if (output.activation === "softmax") fail(`layer '${output.name}' gives probabilities: training takes logits`);
      yield* slices(pixels, { training: true });
      const logits = output.output, wish = fit(output, "wish", logits.length), result = crossEntropy(logits, labels, wish);
      yield* backSlices(wish, { toInput: false });
      optimizer.step();
      return result;
    }
    // What one output sees of its layer's input: { rows, columns }, lists of cells, of the padding too; null where it sees all
    function readWindow(name, row, column) {
      const l = layer(name);
      if (l.shape.length < 3) return null;
      if (!l.windows) return { rows: [row], columns: [column] };
      const { size, step, gap, before } = l.windows;
      const cells = (axis, at) => range(size[axis]).map((i) => at * step[axis] - before[axis] + i * gap[axis]);
      return { rows: cells(0, row), columns: cells(1, column) };
    }
    // The part of the picture that reaches one output of a layer: { rows, columns }, lists of cells inside the picture
    function fieldOf(name, row, column) {
      const seen = new Map([[layer(name), { rows: [row], columns: [column] }]]);
      for (const l of [...layers].reverse()) {
        if (!seen.has(l)) continue; // the output does not depend on it
        for (const x of l.inputs) {
          const old = seen.get(x) ?? { rows: [], columns: [] }, more = behind(l, seen.get(l), x.shape);
          const merge = (key) => [...new Set([...old[key], ...more[key]])].sort((a, b) => a - b);
          seen.set(x, { rows: merge("rows"), columns: merge("columns") });
        }
      }
      return seen.get(input);
    }
    function behind(l, { rows, columns }, [height, width]) {
      if (l.shape.length < 3) return { rows: range(height), columns: range(width) };
      const inside = (windows, key, side) => windows.flatMap((cells) => cells[key]).filter((cell) => cell >= 0 && cell < side);
      return {
        rows: inside(rows.map((row) => readWindow(l.name, row, 0)), "rows", height),
        columns: inside(columns.map((column) => readWindow(l.name, 0, column)), "columns", width),
      };
    }

    reset();
    return { name: description.name, layers, input, output, layer, reset, slices, forward, rerun, backward, inputGradient, trainBatch, trainSlices, readWindow, fieldOf };
  }

  // --- training ---

  // The mean of -log(softmax(logits)[label]), how many labels had the largest logit, and into `gradient` the gradient
  function crossEntropy(logits, labels, gradient) {
    const classes = logits.length / labels.length;
    let loss = 0, correct = 0;
    if (!Number.isInteger(classes)) fail(`${logits.length} logits for ${labels.length} labels`);
    gradient.set(logits);
    softmax(gradient, classes);
    for (let n = 0, at = 0; n < labels.length; n++, at += classes) {
      const label = labels[n];
      if (!(Number.isInteger(label) && label >= 0 && label < classes)) fail(`label ${label} is none of 0 to ${classes - 1}`);
      let best = 0, sum = 0;
      for (let i = 1; i < classes; i++) if (logits[at + i] > logits[at + best]) best = i;
      for (let i = 0; i < classes; i++) sum += exp(logits[at + i] - logits[at + best]);
      loss += Math.log(sum) + logits[at + best] - logits[at + label];
      correct += best === label;
      gradient[at + label] -= 1;
      for (let i = at; i < at + classes; i++) gradient[i] /= labels.length;
    }
    return { loss: loss / labels.length, correct };
  }
  // Keras's optimizers, with their names and defaults. `rule(weights, gradients, slots, step, settings)` changes the
  // weights; slots are two arrays of their size that an optimizer keeps.
  function optimizer(net, settings, rule) {
    const slots = new Map();
    let step = 0;
    const self = {
      ...settings,
      step() {
        step++;
        for (const l of net.layers)
          for (const [name, gradient] of l.trainable ? Object.entries(l.gradients) : []) {
            if (!slots.has(gradient)) slots.set(gradient, [new Float32Array(gradient.length), new Float32Array(gradient.length)]);
            rule(l.weights[name], gradient, slots.get(gradient), step, self);
          }
      },
    };
    return self;
  }
  function sgd(net, settings) {
    const defaults = { learning_rate: 0.01, momentum: 0, nesterov: false };
    return optimizer(net, { ...defaults, ...settings }, (w, g, [speed], step, { learning_rate, momentum, nesterov }) => {
      for (let i = 0; i < w.length; i++) {
        const push = learning_rate * g[i];
        speed[i] = momentum * speed[i] - push;
        w[i] += nesterov ? momentum * speed[i] - push : speed[i];
      }
    });
  }
  function adam(net, settings) {
    const defaults = { learning_rate: 0.001, beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 };
    return optimizer(net, { ...defaults, ...settings }, (w, g, [mean, square], step, { learning_rate, beta_1, beta_2, epsilon }) => {
      const rate = learning_rate * sqrt(1 - beta_2 ** step) / (1 - beta_1 ** step);
      for (let i = 0; i < w.length; i++) {
        mean[i] += (g[i] - mean[i]) * (1 - beta_1);
        square[i] += (g[i] * g[i] - square[i]) * (1 - beta_2);
        w[i] -= rate * mean[i] / (sqrt(square[i]) + epsilon);
      }
    });
  }

  return { load, decode, chance, crossEntropy, sgd, adam, multiplyAdd };
}
