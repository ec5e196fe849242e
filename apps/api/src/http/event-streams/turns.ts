// Bounds how much of something happens at once; the rest waits in line.

export type Turns = <T>(work: () => Promise<T>) => Promise<T>;

/** Runs at most `places` at a time, in the order asked. */
export function buildTurns(places: number): Turns {
  const waiting: (() => void)[] = [];
  let free = places;
  return async (work) => {
    if (free > 0) free -= 1;
    else await new Promise<void>((resolve) => void waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free += 1;
      else next();
    }
  };
}
