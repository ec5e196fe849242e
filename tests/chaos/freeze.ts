// Freezes a process in the middle of a put, beyond its lock, until another one has stored the same image or the wait is
// over. What it had sent arrives then, and it goes on: the newer result must stay, and a late one is kept where there is none.
import { setTimeout as pause } from 'node:timers/promises';
import { Api } from '../support/api.ts';
import { until } from '../support/until.ts';
import { ACCOUNTS, apiKeyOf } from './world/accounts.ts';
import type { ServiceProcess } from './world/service-process.ts';
import type { Caught } from './world/traps.ts';
import type { World } from './world/world.ts';

/** For those who read what a run has met. */
export const OVERTAKEN = 'a put that came after another worker’s';

/** It stands still for so long at least: that is the fault, and no wait for anything. */
const BEYOND_LOCK_MS = 6_500;
/** The call waits in line once more, and for the lease of its frozen worker. */
const OVERTAKEN_WITHIN_MS = 40_000;

/**
 * Resolves when it is thawed. `release` lets go what the trap has stopped. That no other worker stores the image in time is no
 * error: its call may not be repeated, or has to wait; the run then says that nothing was overtaken.
 */
export async function freezeInPut(
  world: World,
  process: ServiceProcess,
  { point }: Caught,
  release: () => void,
): Promise<void> {
  const path = point.link === 'redis' ? '' : point.path;
  process.freeze({ path });
  await pause(BEYOND_LOCK_MS);
  const isOvertaken = await until(
    'another worker has stored it',
    () => isListed(world, path),
    OVERTAKEN_WITHIN_MS,
  ).catch(() => false);
  release();
  process.thaw({ isOvertaken });
}

/** How often `OVERTAKEN` happened so far. */
export function timesOvertaken({ timeline }: World): number {
  return timeline.entries.filter(({ what, facts }) => what === 'thaw' && facts['isOvertaken'] === true).length;
}

/** Whether the image the path is of stands in its job. */
async function isListed(world: World, path: string): Promise<boolean> {
  const [, owner, job = '', index] = /\/images\/([^/]+)\/(job_[^/]+)\/(\d+)\./.exec(path) ?? [];
  const account = ACCOUNTS.find((name) => name === owner);
  if (account === undefined) return false;
  const { images } = await new Api(world.url, apiKeyOf(account)).job(job);
  return images.some((image) => image.index === Number(index));
}
