// When a run is over: nothing is under way any more, whatever was done to it. What no longer moves and is not at rest is
// listed, and is the auditor's to judge; a machine that is only slow has its time.
import { setTimeout as pause } from 'node:timers/promises';
import { keysOf } from '@darkroom/shared/base/keys.ts';
import type { World } from './world/world.ts';

const KEYS = keysOf('darkroom');
const LOOK_EVERY_MS = 100;
/** A second try comes after 5 s and is waited for, a third after 5 min and is not. */
const SOON_MS = 10_000;

/** What still moves; all 0 at rest. */
export interface Unrest {
  readonly openJobs: number;
  readonly openBatches: number;
  readonly spooled: number;
  /** Also those Redis knows nothing of: a late answer of a call that is over. */
  readonly spoolFiles: number;
  readonly outbox: number;
  /** Webhooks whose next try is due soon or under way; those that wait for a later one are at rest. */
  readonly dueWebhooks: number;
}

type Place = Pick<World, 'redis' | 'spoolFiles'>;

/** What is left when nothing has changed for `stillMs`, and after `withinMs` in any case; all 0 when it came to rest before. */
export async function untilRest(world: Place, stillMs: number, withinMs: number): Promise<Unrest> {
  const deadline = performance.now() + withinMs;
  let last = { seen: '', at: 0 };
  for (;;) {
    const unrest = await readUnrest(world);
    const [seen, now] = [JSON.stringify(unrest), performance.now()];
    if (seen !== last.seen) last = { seen, at: now };
    if (isAtRest(unrest) || now - last.at > stillMs || now > deadline) return unrest;
    await pause(LOOK_EVERY_MS);
  }
}

function isAtRest(unrest: Unrest): boolean {
  return Object.values(unrest).every((count) => count === 0);
}

async function readUnrest({ redis, spoolFiles }: Place): Promise<Unrest> {
  const soon = Date.now() + SOON_MS;
  const [openJobs, openBatches, spooled, outbox, queued, waiting] = await Promise.all([
    redis.zcard(KEYS.openJobs),
    redis.zcard(KEYS.openBatches),
    redis.zcard(KEYS.spooled),
    sizes(redis, KEYS.outboxOf('*')),
    sizes(redis, `${KEYS.receiver('*')}:queued`),
    sizes(redis, `${KEYS.receiver('*')}:waiting`, soon),
  ]);
  return { openJobs, openBatches, spooled, spoolFiles: spoolFiles(), outbox, dueWebhooks: queued + waiting };
}

async function sizes(redis: World['redis'], pattern: string, until: number | '+inf' = '+inf'): Promise<number> {
  const keys = await redis.keys(pattern.replaceAll(/[{}]/g, '?'));
  const counts = await Promise.all(keys.map((key) => redis.zcount(key, '-inf', until)));
  return counts.reduce((sum, count) => sum + count, 0);
}
