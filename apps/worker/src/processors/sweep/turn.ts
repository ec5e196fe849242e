// Sweeps run on every worker; those that need not be done by all at once take turns.
import type { Deps } from '../../deps.ts';

/** Whether it is this worker's turn: then it is nobody else's for `ms`. */
export async function takeTurn({ redis, keys }: Deps, part: string, ms: number): Promise<boolean> {
  return (await redis.set(keys.sweepTurn(part), '1', 'PX', ms, 'NX')) !== null;
}

/** The part is nobody's for `ms` from now on. */
export async function extendTurn({ redis, keys }: Deps, part: string, ms: number): Promise<void> {
  await redis.set(keys.sweepTurn(part), '1', 'PX', ms);
}
