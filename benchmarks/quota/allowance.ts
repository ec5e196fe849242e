// What the upstream's token bucket allows, and so what no client can beat. All figures that judge a client are defined
// here. Pure.
//
// The bucket starts full, holds C images and fills at the limit's rate r. A call for more images than C is admitted when it
// is full and leaves it in debt, so C is at least the largest call. When the limit is changed a full bucket of the new
// size replaces the old one; that is a new phase. For any client whatever, in any time t after the start:
//
//     images admitted ≤ C + r · t      (a term for each phase)
//
// minimum = the smallest t in which all images fit by this formula, from the client's first submission on, plus the median
//     time the upstream took for an answer: no client can choose how long its last one takes.
// ratio = makespan / minimum, where the makespan runs from the first submission until the client has the last end.
// use = N / (B + r · T), T from the first admitted request to the last. B is what may come on top of the rate at the
//     start: C, or what the operator told Darkroom it may take at once (`burst_seconds`) where that is less. So `use` says
//     how well the told limit is kept, and `ratio` also what it costs not to know that the upstream's bucket holds more.

export interface Phase {
  /** From the client's first submission on, ms. */
  readonly fromMs: number;
  readonly perMinute: number;
  /** What a full bucket holds, images. */
  readonly capacity: number;
}

/** The soonest the last of `images` can be admitted, ms after the first submission. */
export function soonestMs(phases: readonly Phase[], images: number): number {
  let left = images;
  for (const [index, { fromMs, perMinute, capacity }] of phases.entries()) {
    const endMs = phases[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY;
    const neededMs = (Math.max(0, left - capacity) * 60_000) / perMinute;
    if (fromMs + neededMs <= endMs) return fromMs + neededMs;
    left -= capacity + ((endMs - fromMs) * perMinute) / 60_000;
  }
  throw new RangeError('no phase');
}

/** The images allowed between two moments, ms after the first submission, each phase beginning with a full bucket. */
export function allowedBetween(phases: readonly Phase[], fromMs: number, untilMs: number): number {
  const parts = phases.map((phase, index) => {
    const startMs = Math.max(fromMs, phase.fromMs);
    const endMs = Math.min(untilMs, phases[index + 1]?.fromMs ?? Number.POSITIVE_INFINITY);
    return endMs < startMs ? 0 : phase.capacity + ((endMs - startMs) * phase.perMinute) / 60_000;
  });
  return parts.reduce((sum, part) => sum + part, 0);
}

/** The least a bucket filling at `perMinute` must hold for all of these to be admitted: images. `arrivals` in order, ms. */
export function burstOf(
  arrivals: readonly { readonly at: number; readonly images: number }[],
  perMinute: number,
): number {
  let taken = 0;
  let most = 0;
  let before = Number.NEGATIVE_INFINITY;
  for (const { at, images } of arrivals) {
    taken = Math.max(0, taken - ((at - before) * perMinute) / 60_000) + images;
    most = Math.max(most, taken);
    before = at;
  }
  return most;
}
