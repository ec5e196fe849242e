// Two thousand clients that wait for their images on one process: what they weigh, and how the process is meanwhile.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keysOf } from '@darkroom/shared/base/keys.ts';
import { findQuietPort } from '@darkroom/simulator/http/free-port.ts';
import { childEnv } from '@darkroom/testing/child-env.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
const WAITERS = 2_000;
const AT_ONCE = 50;
const PROMPT = 'a white siamese cat '.repeat(50);

let redis: TestRedis;
let folder: string;
let api: ChildProcess;
let url: string;
const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });

beforeAll(async () => {
  redis = await openTestRedis();
  folder = await mkdtemp(join(tmpdir(), 'darkroom-many-'));
  const port = await findQuietPort();
  url = `http://127.0.0.1:${port}`;
  const env = { AUTH: 'off', PORT: String(port), REDIS_URL: redis.url, REDIS_PREFIX: redis.prefix, LOG_LEVEL: 'info' };
  api = spawn(process.execPath, [MAIN], { env: childEnv(env), cwd: folder });
  let said = '';
  api.stdout?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await vi.waitFor(() => expect(said).toContain('"msg":"listening"'), { timeout: 50_000, interval: 20 });
});
afterAll(async () => {
  agent.destroy();
  api.kill('SIGKILL');
  await redis.close();
  await rm(folder, { recursive: true });
});

let answered = 0;
function wait(): void {
  const options = { method: 'POST', agent, headers: { 'content-type': 'application/json' } };
  const asked = request(`${url}/v1/images/generations`, options, (reply) => {
    answered += 1;
    reply.resume();
  });
  asked.on('error', () => undefined);
  asked.end(JSON.stringify({ model: 'gpt-image-2', prompt: PROMPT }));
}

async function statusesRead(): Promise<number> {
  return Number(/cmdstat_hget:calls=(\d+)/.exec(await redis.redis.info('commandstats'))?.[1] ?? 0);
}

function peakMemoryBytes(): number {
  const status = readFileSync(`/proc/${api.pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1_024;
}

it(`${WAITERS} clients wait in less than 300 MB, and /livez answers meanwhile`, async () => {
  const jobs = keysOf(redis.prefix).accountJobs('default');
  for (let count = 0; count < WAITERS; count += AT_ONCE) {
    for (let index = 0; index < AT_ONCE; index += 1) wait();
    await expect.poll(() => redis.redis.zcard(jobs), { timeout: 20_000, interval: 5 }).toBe(count + AT_ONCE);
  }
  // Until every waiter has asked for its job once more. How soon /livez answers is measured in benchmarks/sync-route.ts.
  const before = await statusesRead();
  const readMeanwhile = async (): Promise<number> => {
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    return (await statusesRead()) - before;
  };
  await expect.poll(readMeanwhile, { timeout: 30_000, interval: 100 }).toBeGreaterThanOrEqual(WAITERS);
  expect(answered).toBe(0);
  expect(peakMemoryBytes()).toBeLessThan(300_000_000);
});
