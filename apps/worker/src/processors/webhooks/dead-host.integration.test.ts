// A dead receiver slows nobody: what reaches another host while 5,000 events for a dead one lie around, against the same
// without them. Worker and receivers share a process here, so the numbers are worse than life.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { outboxDepth } from '@darkroom/shared/webhooks/steps.ts';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { openWebhookBench, type WebhookBench } from '../../testing/webhook-bench.ts';

const DEAD_EVENTS = 5_000;
const PROBES = 300;
const EVERY_MS = 15;
/** The promise is 100 ms at p99; a crowded machine gets room. In one plain queue the hanging host alone would cost 5 min. */
const ALLOWED_MS = 1_000;

interface Server {
  readonly url: string;
  readonly arrivals: Map<string, number>;
  close(): Promise<void>;
}

let bench: WebhookBench;
let good: Server;
let flooder: ChildProcess | null = null;
beforeEach(async () => {
  bench = await openWebhookBench();
  good = await startServer(true);
});
afterEach(async () => {
  flooder?.kill('SIGKILL'); // after a failure it would wait for a Redis that is gone, and vitest for it
  await good.close();
  await bench.close();
});

async function startServer(answers: boolean): Promise<Server> {
  const arrivals = new Map<string, number>();
  const server = createServer((request, reply) => {
    arrivals.set(String(request.headers['webhook-id']), performance.now());
    request.resume();
    if (answers) reply.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hooks`,
    arrivals,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Ends a job for the good host every few ms; how long each event took to arrive, ms, sorted. */
async function probe(): Promise<number[]> {
  const sent = new Map<string, number>();
  for (let i = 0; i < PROBES; i += 1) {
    const id = await bench.submit(good.url);
    sent.set(id.replace('job_', 'evt_').concat('_2'), performance.now());
    await bench.end(id);
    await pause(EVERY_MS); // the rate of the load, not a wait for anything
  }
  await vi.waitFor(() => expect([...sent.keys()].every((id) => good.arrivals.has(id))).toBe(true), {
    timeout: 20_000,
    interval: 20,
  });
  return [...sent].map(([id, at]) => (good.arrivals.get(id) ?? Number.NaN) - at).sort((a, b) => a - b);
}

function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

function say(what: string, sorted: readonly number[]): void {
  const [p50, p99, max] = [at(sorted, 0.5), at(sorted, 0.99), at(sorted, 1)].map((ms) => ms.toFixed(1));
  process.stdout.write(`   ▸ ${what}: p50 ${p50} ms, p99 ${p99} ms, max ${max} ms\n`);
}

/** A process that has recorded the dead host's jobs; `start` ends them all and tells how long that took, ms. */
async function prepareFlood(url: string): Promise<{ start(): Promise<number> }> {
  const file = fileURLToPath(new URL('../../testing/flood.ts', import.meta.url));
  const { server } = bench;
  const child = spawn(process.execPath, [file, server.url, server.prefix, url, String(DEAD_EVENTS)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  flooder = child;
  const lines = createInterface(child.stdout);
  await once(lines, 'line');
  return {
    async start() {
      child.stdin.write('go\n');
      const [line] = (await once(lines, 'line')) as [string];
      return Number(line.split(' ')[1]);
    },
  };
}

describe.each([
  ['accepts and never answers', true],
  ['refuses connections', false],
])('a host that %s', (what, listens) => {
  let dead: Server;
  beforeAll(async () => {
    dead = await startServer(false);
    if (!listens) await dead.close();
  });
  afterAll(async () => {
    if (listens) await dead.close();
  });

  test('delays another by hardly anything, while the flood comes in and while it waits', async () => {
    const alone = await probe();
    say('alone', alone);
    const flood = await prepareFlood(dead.url);
    const [during, floodMs] = await Promise.all([probe(), flood.start()]);
    await vi.waitFor(async () => expect(await outboxDepth(bench.server.redis, bench.steps.keys)).toBe(0), {
      timeout: 60_000,
    });
    const after = await probe();
    say(`while ${DEAD_EVENTS} events for a host that ${what} came in within ${floodMs} ms`, during);
    say('while they wait', after);
    const { host } = new URL(dead.url);
    const receiver = bench.steps.keys.receiver(host);
    expect(await bench.server.redis.zcard(`${receiver}:waiting`)).toBeGreaterThan(DEAD_EVENTS - 100);
    expect(at(after, 0.99) - at(alone, 0.99)).toBeLessThan(ALLOWED_MS);
    expect(at(during, 0.99) - at(alone, 0.99)).toBeLessThan(ALLOWED_MS);
  });
});
