// One of two upstream keys leads to a host where nobody listens, or that is broken: what fails at once is always the freest,
// and must not draw the other's work to itself.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Job } from '../support/api.ts';
import { say } from '../support/say.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const folder = mkdtempSync(join(tmpdir(), 'darkroom-broken-key-'));
const KEYS_FILE = join(folder, 'keys.json');
const CLOSED = 'http://127.0.0.1:9/v1';
let stack: TestStack;

beforeAll(async () => {
  stack = await startTestStack({ workers: 0 });
});
beforeEach(() => stack.reset());
afterAll(async () => {
  await stack.stop();
  rmSync(folder, { recursive: true });
});

/** Two workers; of their keys `team-a` comes first. */
async function useWorkers(hostOfA: string): Promise<void> {
  const keys = [
    { name: 'team-a', key: 'sk-upstream-aaaa', base_url: hostOfA },
    { name: 'team-b', key: 'sk-upstream-bbbb', base_url: `${stack.simulator.url}/v1` },
  ];
  writeFileSync(KEYS_FILE, JSON.stringify(keys));
  const env = { OPENAI_KEYS_FILE: KEYS_FILE };
  await stack.replaceWorkers(env);
  await stack.stack.addWorker(env);
}

/** Jobs that come one after the other, so that each finds the broken key free. */
async function submitMany(count: number): Promise<Job[]> {
  const submitted: Job[] = [];
  for (let index = 0; index < count; index += 1) submitted.push(await stack.api.submit({ model: 'gpt-image-2' }));
  return submitted;
}

test('with nobody listening at the host of one key every job is done under the other', async () => {
  await useWorkers(CLOSED);
  await stack.simulator.fault('latency', { params: { ms: 400 } });
  const jobs = await submitMany(40);
  const ended = await Promise.all(jobs.map(({ id }) => stack.api.ended(id, 60_000)));
  expect(ended.filter(({ status }) => status !== 'completed')).toEqual([]);
  const attempts = await Promise.all(ended.map(({ id }) => stack.api.attempts(id)));
  const failed = attempts.flat().length - ended.length;
  say(`one of two keys not to be reached: 40 jobs done, ${failed} attempts failed before`);
  expect(failed).toBeLessThan(20);
  expect((await stack.simulator.ledger()).images).toHaveLength(40);
});

test('with 5xx under one key new calls go to the other', async () => {
  await useWorkers(`${stack.simulator.url}/v1`);
  await stack.simulator.fault('server_error', { key: 'aaaa' });
  await stack.simulator.fault('latency', { key: 'bbbb', params: { ms: 400 } });
  await submitMany(30);
  const requestsUnder = async (key: string) =>
    (await stack.simulator.ledger()).requests.filter((request) => request.key === key);
  await until('most are done under the other', async () => (await requestsUnder('bbbb')).length >= 22);
  const failed = (await requestsUnder('aaaa')).length;
  say(`one of two keys answers 5xx: 22 of 30 jobs done under the other, ${failed} requests failed meanwhile`);
});
