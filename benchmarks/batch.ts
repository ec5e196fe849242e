// A batch of 50,000 real prompts: how soon it is checked, what it weighs, and whether other callers notice.
// The whole batch would take the simulator minutes to draw, so it is cancelled once enough lines are done to weigh them.
import { setTimeout as pause } from 'node:timers/promises';
import { DEMO_PROMPTS } from '@darkroom/dev/demo-prompts.ts';
import type { Stack } from '@darkroom/dev/stack.ts';
import { Redis } from 'ioredis';
import { withStack } from './support/bench-stack.ts';
import { startFastSimulator } from './support/processes.ts';
import { megabytes, ms, percentile, type Row } from './support/row.ts';
import { memory } from './support/usage.ts';

const LINES = 50_000;
const LINES_TO_WEIGH = 3_000;
const SAMPLE_MS = 50;
/** Bounded at 10,000 events, however many lines there are: weighed apart. */
const EVENT_STREAM = '{darkroom}:events:default';

interface BatchState {
  readonly id: string;
  readonly status: string;
  readonly request_counts: { readonly completed: number };
  readonly progress: { readonly images_completed: number };
}

export async function measureBatch(): Promise<Row[]> {
  const simulator = await startFastSimulator();
  try {
    return await withStack({ upstreamUrl: simulator.url }, measure);
  } finally {
    await simulator.child.stop();
  }
}

async function measure(stack: Stack): Promise<Row[]> {
  const redis = new Redis(stack.redisUrl);
  const emptyBytes = await usedBytes(redis);
  const stop = new AbortController();
  const latenciesMs: number[] = [];
  const watching = watch(stack, latenciesMs, stop.signal);
  const startedAt = performance.now();
  const batch = await submit(stack.apiUrl);
  const validatedMs = await until(stack, batch.id, startedAt, ({ status }) => status === 'in_progress');
  const workerPid = stack.workers[0]?.pid ?? 0;
  const checkedBytes = memory(workerPid).peakBytes;
  const firstImageMs = await until(stack, batch.id, startedAt, ({ progress }) => progress.images_completed > 0);
  await until(stack, batch.id, startedAt, ({ request_counts }) => request_counts.completed >= LINES_TO_WEIGH);
  stop.abort();
  await watching;
  await call(stack.apiUrl, `/v1/batches/${batch.id}/cancel`, { method: 'POST' });
  const ended = await untilState(stack, batch.id, ({ status }) => status === 'cancelled');
  const streamBytes = Number(await redis.call('MEMORY', 'USAGE', EVENT_STREAM));
  const bytesALine = ((await usedBytes(redis)) - emptyBytes - streamBytes) / ended.request_counts.completed;
  redis.disconnect();
  const p99 = percentile(latenciesMs, 0.99);
  return [
    row(
      `batch of ${LINES} lines: uploaded, accepted and validated`,
      `${(validatedMs / 1_000).toFixed(1)} s`,
      'aim ≤ 60 s',
    ),
    row('first image after validation', `${((firstImageMs - validatedMs) / 1_000).toFixed(2)} s`, 'aim ≤ 2 s'),
    row('api process at its peak', megabytes(memory(stack.api.pid).peakBytes), 'aim ≤ 300 MB'),
    row('worker process at its peak, all lines checked', megabytes(checkedBytes), 'aim ≤ 300 MB'),
    row(
      'worker process at its peak, images of 20 calls in hand',
      megabytes(memory(workerPid).peakBytes),
      'aim ≤ 300 MB',
    ),
    row(
      `Redis for a finished line (${ended.request_counts.completed} lines; the bounded event stream apart)`,
      `${Math.round(bytesALine)} bytes`,
      'aim ≤ 2,048',
    ),
    row('other routes meanwhile, p99', ms(p99), 'aim ≤ 50 ms'),
  ];
}

function row(what: string, measured: string, aim: string): Row {
  return { what, measured, ceiling: aim, ratio: '' };
}

async function submit(apiUrl: string): Promise<BatchState> {
  const lines = Array.from({ length: LINES }, (_, index) => {
    const prompt = DEMO_PROMPTS[index % DEMO_PROMPTS.length];
    const body = { model: 'gpt-image-2', prompt, size: '1024x1024', quality: 'low' };
    return JSON.stringify({ custom_id: `request-${index}`, method: 'POST', url: '/v1/images/generations', body });
  });
  const form = new FormData();
  form.set('purpose', 'batch');
  form.set('file', new Blob([lines.join('\n')]), 'requests.jsonl');
  const file = await call<{ id: string }>(apiUrl, '/v1/files', { method: 'POST', body: form });
  return call(apiUrl, '/v1/batches', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ input_file_id: file.id, endpoint: '/v1/images/generations', completion_window: '24h' }),
  });
}

/** Asks another route, over and over. */
async function watch(stack: Stack, latenciesMs: number[], stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const askedAt = performance.now();
    await call(stack.apiUrl, '/v1/jobs?limit=1', {});
    latenciesMs.push(performance.now() - askedAt);
    await pause(SAMPLE_MS);
  }
}

async function usedBytes(redis: Redis): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await redis.info('memory'))?.[1] ?? 0);
}

async function until(
  stack: Stack,
  id: string,
  startedAt: number,
  fact: (state: BatchState) => boolean,
): Promise<number> {
  await untilState(stack, id, fact);
  return performance.now() - startedAt;
}

async function untilState(stack: Stack, id: string, fact: (state: BatchState) => boolean): Promise<BatchState> {
  for (;;) {
    const state = await call<BatchState>(stack.apiUrl, `/v1/batches/${id}`, {});
    if (fact(state)) return state;
    if (state.status === 'failed') throw new Error(`the batch was refused: ${JSON.stringify(state).slice(0, 500)}`);
    await pause(20);
  }
}

async function call<T>(apiUrl: string, path: string, init: RequestInit): Promise<T> {
  const reply = await fetch(`${apiUrl}${path}`, init);
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
  return (await reply.json()) as T;
}
