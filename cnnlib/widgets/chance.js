// Chance that is the same in the page and in Python (chance.py): numbers that look random and follow from a seed.
// Source: the generator mulberry32, by Tommy Ettinger (2017), in the public domain.

// chance(seed), a whole number: a function that gives another number from 0 to just below 1 at each call.
export function chance(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), seed | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
// normal(next): one number of mean 0 and standard deviation 1 from two of `next`, a function as above (Box and Muller, 1958).
export function normal(next) {
  const radius = Math.sqrt(-2 * Math.log(1 - next()));
  return radius * Math.cos(2 * Math.PI * next());
}
