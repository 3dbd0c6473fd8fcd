// Chance with a seed, for simulations: the same seed gives the same run on every machine.

/** A uniform number of [0, 1) at each call (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** How many of `trials` happen at probability `p`: by the gaps between events, so rare ones are cheap. */
export function binomial(random: () => number, trials: number, p: number): number {
  if (p <= 0 || trials <= 0) return 0;
  if (p >= 1) return trials;
  if (p > 0.5) return trials - binomial(random, trials, 1 - p);
  const perGap = Math.log1p(-p);
  let events = -1;
  let position = 0;
  while (position <= trials) {
    position += Math.floor(Math.log(1 - random()) / perGap) + 1;
    events += 1;
  }
  return events;
}
