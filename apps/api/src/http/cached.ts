// Remembers the answer of a costly question for a short while, so that many requests ask it once.

/** A function that asks at most once per `lifeMs`; concurrent callers share one question. A rejection is not kept. */
export function buildCached<T>(lifeMs: number, ask: () => Promise<T>, now: () => number = Date.now): () => Promise<T> {
  let answer: Promise<T> | null = null;
  let askedAt = 0;
  return () => {
    if (answer !== null && now() - askedAt < lifeMs) return answer;
    const asked = ask();
    answer = asked;
    askedAt = now();
    asked.catch(() => {
      if (answer === asked) answer = null;
    });
    return asked;
  };
}
