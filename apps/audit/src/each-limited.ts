// Work on many things, few at a time.

/** Resolves when all are done; rejects with the first error. */
export async function eachLimited<T>(
  things: readonly T[],
  atOnce: number,
  work: (thing: T) => Promise<void>,
): Promise<void> {
  const rest = things.values();
  const takeAll = async (): Promise<void> => {
    for (const thing of rest) await work(thing);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, things.length) }, takeAll));
}

/** The same, with the results in the order of the things. */
export async function mapLimited<T, R>(
  things: readonly T[],
  atOnce: number,
  work: (thing: T) => Promise<R>,
): Promise<R[]> {
  const results = new Map<number, R>();
  await eachLimited([...things.entries()], atOnce, async ([index, thing]) => {
    results.set(index, await work(thing));
  });
  return things.map((_, index) => results.get(index) as R);
}
