// For tests, a process of its own, so that a flood costs the process that is measured nothing but what it does about it:
//   node flood.ts <redis url> <prefix> <webhook url> <jobs>
// records the jobs, says `ready`, ends a thousand of them a second when a line comes in, and says `done <ms>`. Faster
// than that, the ends of jobs themselves would be what Redis is busy with.
import { once } from 'node:events';
import { setTimeout } from 'node:timers/promises';
import { keysOf } from '@darkroom/shared/base/keys.ts';
import { openRedis } from '@darkroom/shared/base/redis.ts';
import { endByHand, submitByHand } from './jobs-by-hand.ts';

const AT_ONCE = 20;
const EVERY_MS = 20;
const [redisUrl = '', prefix = '', url = '', jobs = '0'] = process.argv.slice(2);
const redis = await openRedis(redisUrl, 'patient', () => undefined);
const steps = { redis, keys: keysOf(prefix), retentionMs: 3_600_000 };
const ids: string[] = [];
while (ids.length < Number(jobs)) {
  ids.push(...(await Promise.all(Array.from({ length: AT_ONCE }, () => submitByHand(steps, url)))));
}
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const startedAt = performance.now();
for (let from = 0; from < ids.length; from += AT_ONCE) {
  await setTimeout(startedAt + (from / AT_ONCE) * EVERY_MS - performance.now());
  await Promise.all(ids.slice(from, from + AT_ONCE).map((id) => endByHand(steps, id)));
}
process.stdout.write(`done ${Math.round(performance.now() - startedAt)}\n`);
redis.disconnect();
process.stdin.destroy();
