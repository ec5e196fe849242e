// What `POST /v1/images/generations` adds to the upstream's time while 0, 99 or 1,999 other requests wait on the same API
// process; what that many waiters weigh; and how soon `/livez` answers meanwhile. Against the same route of nobody: a
// request straight to the upstream, in the same run.
import { Agent, request as send } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Stack } from '@darkroom/dev/stack.ts';
import { withStack } from './support/bench-stack.ts';
import { startProcess } from './support/processes.ts';
import { megabytes, ms, percentile, type Row, ratio } from './support/row.ts';
import { memory } from './support/usage.ts';

const UPSTREAM_MS = 50;
const SAMPLES = 100;
const WARM_UP = 10;
const WAITERS = [1, 100, 2_000];
/** A picture of 0.8 MB: what a low-quality image weighs. */
const SIDE = 512;
const ALLOWED_BYTES = 300e6;
const ALLOWED_LIVEZ_MS = 50;
const OPENING_AT_ONCE = 50;
/** Of this model the upstream makes nothing in the time of a run, so its requests do nothing but wait. */
const PARKED = { model: 'gpt-image-2', limits: { 'gpt-image-2': { images_per_minute: 0.001, burst_seconds: 0 } } };

export async function measureSyncRoute(): Promise<Row[]> {
  const upstream = await startProcess('upstream', ['--side', String(SIDE), '--delay-ms', String(UPSTREAM_MS)]);
  try {
    const env = { LIMITS: JSON.stringify(PARKED.limits), SYNC_TIMEOUT_MS: '600000' };
    return await withStack({ upstreamUrl: upstream.url, env }, async (stack) => {
      const direct = await timeEach(`${upstream.url}/v1/images/generations`);
      const rows: Row[] = [];
      const parked = new Parked(stack.apiUrl);
      await parked.spendFirst();
      for (const waiters of WAITERS) {
        await parked.growTo(waiters - 1);
        rows.push(...(await measureWith(stack, waiters, direct)));
      }
      parked.close();
      return rows;
    });
  } finally {
    await upstream.child.stop();
  }
}

async function measureWith(stack: Stack, waiters: number, direct: readonly number[]): Promise<Row[]> {
  const livez = watchLivez(stack.apiUrl);
  const times = await timeEach(`${stack.apiUrl}/v1/images/generations`);
  const alive = await livez.stop();
  const { peakBytes } = memory(stack.api.pid);
  const shares = [0.5, 0.99].map((share) => {
    const [measured, ceiling] = [percentile(times, share) - UPSTREAM_MS, percentile(direct, share) - UPSTREAM_MS];
    return {
      what: `sync route, ${waiters} waiting: added to ${UPSTREAM_MS} ms, p${share * 100} (ceiling: the upstream asked directly)`,
      measured: ms(measured),
      ceiling: ms(ceiling),
      ratio: ratio(measured, ceiling),
    };
  });
  if (waiters !== WAITERS.at(-1)) return shares;
  return [
    ...shares,
    {
      what: `  api at its peak, ${waiters} waiting (aim ≤ ${megabytes(ALLOWED_BYTES)})`,
      measured: megabytes(peakBytes),
      ceiling: megabytes(ALLOWED_BYTES),
      ratio: ratio(peakBytes, ALLOWED_BYTES),
    },
    {
      what: `  slowest /livez, ${waiters} waiting (aim ≤ ${ALLOWED_LIVEZ_MS} ms)`,
      measured: ms(alive),
      ceiling: ms(ALLOWED_LIVEZ_MS),
      ratio: ratio(alive, ALLOWED_LIVEZ_MS),
    },
  ];
}

/** ms of each request to its last byte, after some that don't count. */
async function timeEach(url: string): Promise<number[]> {
  const times: number[] = [];
  for (let index = -WARM_UP; index < SAMPLES; index += 1) {
    const startedAt = performance.now();
    const reply = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(generation('gpt-image-2.6-flare')),
    });
    const bytes = (await reply.arrayBuffer()).byteLength;
    if (reply.status !== 200 || bytes < SIDE * SIDE * 3) throw new Error(`${url}: ${reply.status}, ${bytes} bytes`);
    if (index >= 0) times.push(performance.now() - startedAt);
  }
  return times;
}

function generation(model: string): object {
  return { model, prompt: 'a white siamese cat', size: '1024x1024', quality: 'low' };
}

/** Requests that wait and go on waiting. */
class Parked {
  readonly #url: string;
  readonly #agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
  #count = 0;

  constructor(apiUrl: string) {
    this.#url = `${apiUrl}/v1/images/generations`;
  }

  /** The first image of a limit is free at once; nobody who waits may get it. */
  async spendFirst(): Promise<void> {
    const headers = { 'content-type': 'application/json' };
    const reply = await fetch(this.#url, { method: 'POST', headers, body: JSON.stringify(generation(PARKED.model)) });
    await reply.arrayBuffer();
  }

  async growTo(count: number): Promise<void> {
    while (this.#count < count) {
      const more = Math.min(OPENING_AT_ONCE, count - this.#count);
      for (let index = 0; index < more; index += 1) this.#park();
      this.#count += more;
      while ((await this.#waiting()) < this.#count) await sleep(10);
    }
  }

  /** Jobs made for requests that wait; the first was answered. */
  async #waiting(): Promise<number> {
    const metrics = await (await fetch(new URL('/metrics', this.#url))).text();
    const line = new RegExp(`^darkroom_jobs_accepted_total\\{[^}]*model="${PARKED.model}"[^}]*\\} (\\d+)`, 'm');
    return Number(line.exec(metrics)?.[1] ?? 0) - 1;
  }

  close(): void {
    this.#agent.destroy();
  }

  #park(): void {
    const headers = { 'content-type': 'application/json' };
    const request = send(this.#url, { method: 'POST', agent: this.#agent, headers }, (reply) => {
      console.error(`a waiting request was answered: ${reply.statusCode}`);
      process.exitCode = 1;
    });
    request.on('error', () => undefined);
    request.end(JSON.stringify(generation(PARKED.model)));
  }
}

/** Asks every 20 ms how the process is; `stop` tells the slowest answer, ms. */
function watchLivez(apiUrl: string): { stop(): Promise<number> } {
  let slowest = 0;
  const over = new AbortController();
  const watching = (async (): Promise<void> => {
    while (!over.signal.aborted) {
      const startedAt = performance.now();
      await (await fetch(`${apiUrl}/livez`)).arrayBuffer();
      slowest = Math.max(slowest, performance.now() - startedAt);
      await sleep(20);
    }
  })();
  return {
    async stop() {
      over.abort();
      await watching;
      return slowest;
    },
  };
}
