// The twin of cnnlib/data/shapes10.py, where the recipe is explained: ten classes of drawn, coloured, noisy pictures.
// Given the same random numbers, both draw the same picture, to one of 255 grey levels: numbers are drawn in the same
// order here. One function that names nothing outside itself, so that a page can make a worker of its text.
//
//   const shapes = makeShapes10(), next = chance(seed);
//   const { pixels, labels } = shapes.make(1000, next);   // Uint8Arrays: NHWC, 0 to 255; 0 to 9, each as often
//   shapes.draw(label, next, pixels, start);              // one picture, into pixels from `start` on
//
// `next` gives a number from 0 to just below 1 at each call, as chance.js has it. No DOM, no imports.

export function makeShapes10() {
  const { abs, cos, floor, max, min, PI, round, sin, sqrt } = Math;
  const SIDE = 32, SIZE = SIDE * SIDE * 3, CLASSES = 10;
  // how much the pictures vary, as in Python
  const RADIUS = [7.5, 12.5], SHIFT = 4, TILT = PI / 10, STRIPE_PERIOD = [5, 7];
  const DARK = [0.1, 0.45], LIGHT = [0.55, 0.9], TINT = 0.25, SHADE = 0.3, NOISE = 0.08 * sqrt(6);
  const DISTRACTORS = 2, DISTRACTOR_RADIUS = [1, 2.5];

  // --- signed distance at (x, y), y up, for a shape inside the circle of radius 1: negative inside ---

  const length = (x, y) => sqrt(x * x + y * y); // Math.hypot is many times slower
  const disc = (x, y) => length(x, y) - 0.9;
  const largerSide = (x, y) => max(abs(x), abs(y));
  function wave(t, period, phase) {
    const place = t / period + phase;
    return (abs(place - floor(place) - 0.5) - 0.25) * period;
  }
  const ANGLES = [0, 1, 2, 3, 4].map((i) => PI / 10 + (2 * PI / 5) * (i + 0.5)), STAR = ANGLES.map((a) => [cos(a), sin(a)]);
  function star(x, y) { // what counts is the second largest of five distances
    let largest = -Infinity, second = -Infinity;
    for (const [a, b] of STAR) {
      const plane = a * x + b * y;
      second = max(second, min(largest, plane));
      largest = max(largest, plane);
    }
    return second - cos(2 * PI / 5);
  }
  function checkerboard(x, y, period, phase) {
    const a = wave(x, 1.3 * period, phase), b = wave(y, 1.3 * period, phase);
    return max(min(a, b), -max(a, b), disc(x, y));
  }
  const SIGNED_DISTANCES = [
    disc,
    (x, y) => abs(length(x, y) - 0.75) - 0.2, // ring
    (x, y) => largerSide(x, y) - 0.78, // square
    (x, y) => abs(largerSide(x, y) - 0.65) - 0.18, // frame
    (x, y) => max((sqrt(3) / 2) * abs(x) + 0.5 * y, -y) - 0.5, // triangle
    star,
    (x, y) => max(min(abs(x), abs(y)) - 0.27, largerSide(x, y) - 0.92), // cross
    (x, y, period, phase) => max(wave(y, period, phase), disc(x, y)), // horizontal stripes
    (x, y, period, phase) => max(wave(x, period, phase), disc(x, y)), // vertical stripes
    checkerboard,
  ];

  // --- one picture ---

  const noise = new Float64Array(SIZE);
  const clip = (value) => max(0, min(1, value));
  const middle = (SIDE - 1) / 2;

  function draw(label, next, pixels = new Uint8Array(SIZE), start = 0) {
    const between = (low, high) => low + (high - low) * next();
    const colour = (grey, spread) => [0, 0, 0].map(() => grey + between(-spread, spread));
    const radius = between(...RADIUS), cx = between(-SHIFT, SHIFT), cy = between(-SHIFT, SHIFT);
    const tilt = between(-TILT, TILT), period = between(...STRIPE_PERIOD) / radius, phase = next();
    // one is dark, the other light, whichever
    const darkShape = next() < 0.5, dark = between(...DARK), light = between(...LIGHT);
    const shape = colour(darkShape ? dark : light, TINT), ground = colour(darkShape ? light : dark, TINT);
    const spots = Array.from({ length: DISTRACTORS }, () => ({
      x: between(-SIDE / 2, SIDE / 2), y: between(-SIDE / 2, SIDE / 2),
      radius: between(...DISTRACTOR_RADIUS), colour: colour(0.5, 0.5), cover: 0,
    }));
    const slopeX = between(-SHADE, SHADE), slopeY = between(-SHADE, SHADE);
    for (let i = 0; i < SIZE; i++) noise[i] = next();
    for (let i = 0; i < SIZE; i++) noise[i] = NOISE * (noise[i] + next() - 1);

    const turnX = cos(tilt) / radius, turnY = sin(tilt) / radius, distance = SIGNED_DISTANCES[label];
    for (let row = 0, i = 0; row < SIDE; row++)
      for (let column = 0; column < SIDE; column++) {
        const px = column - middle, py = middle - row, x = px - cx, y = py - cy;
        // the edge of what is painted over is one pixel soft
        const cover = clip(0.5 - radius * distance(turnX * x + turnY * y, turnX * y - turnY * x, period, phase));
        for (const spot of spots) spot.cover = clip(0.5 - length(px - spot.x, py - spot.y) + spot.radius);
        const light = (slopeX * px + slopeY * py) / SIDE;
        for (let channel = 0; channel < 3; channel++, i++) {
          let value = ground[channel] + cover * (shape[channel] - ground[channel]);
          for (const spot of spots) value += spot.cover * (spot.colour[channel] - value);
          pixels[start + i] = round(255 * clip(value + light + noise[i]));
        }
      }
    return pixels;
  }

  // As many pictures, each class as often as another (or once more), in a random order
  function make(count, next) {
    const pixels = new Uint8Array(count * SIZE), labels = Uint8Array.from({ length: count }, (_, i) => i % CLASSES);
    for (let i = count - 1; i > 0; i--) {
      const j = floor((i + 1) * next());
      [labels[i], labels[j]] = [labels[j], labels[i]];
    }
    labels.forEach((label, i) => draw(label, next, pixels, i * SIZE));
    return { pixels, labels };
  }

  return { side: SIDE, classes: CLASSES, draw, make };
}
