// Makes the storage's mark young again once a day, by one worker, so that rules which remove what is old leave it there.
import type { Deps } from '../../deps.ts';
import { extendTurn, takeTurn } from './turn.ts';

const PART = 'mark';
const DAY_MS = 86_400_000;
/** While the storage is away, and after a worker that died meanwhile. */
const AGAIN_MS = 600_000;

export async function sweepMark(deps: Deps): Promise<void> {
  if (!(await takeTurn(deps, PART, AGAIN_MS))) return;
  await deps.store.renewMark();
  await extendTurn(deps, PART, DAY_MS);
}
