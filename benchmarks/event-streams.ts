// 2,000 event streams open at one API process: its memory, and how long an event takes from the step that made it to the
// client, to all streams at once and to one stream each.
import { Agent, get, type IncomingMessage } from 'node:http';
import type { Stack } from '@darkroom/dev/stack.ts';
import { withStack } from './support/bench-stack.ts';
import { jobBody, runJob } from './support/job.ts';
import { startFastSimulator } from './support/processes.ts';
import { megabytes, ms, percentile, type Row, ratio } from './support/row.ts';
import { memory } from './support/usage.ts';

const STREAMS = 2_000;
/** The most one API process may use while it serves them. */
const ALLOWED_BYTES = 300e6;
/** Jobs that all streams hear of; each has three events. */
const JOBS = 100;
const OPENING_AT_ONCE = 50;

interface Followers {
  /** ms from the entry in Redis to the client, for each event received. The clock of entries counts whole ms. */
  readonly latencies: readonly number[];
  /** Streams that have ended. */
  readonly ended: number;
  close(): void;
}

export async function measureEventStreams(): Promise<Row[]> {
  const upstream = await startFastSimulator();
  try {
    const upstreamUrl = upstream.url;
    const all = await withStack({ upstreamUrl }, measureAccountStreams);
    const each = await withStack({ upstreamUrl, workers: 0 }, measureJobStreams);
    return [...all, ...each];
  } finally {
    await upstream.child.stop();
  }
}

/** Every event goes to every stream. */
async function measureAccountStreams(stack: Stack): Promise<Row[]> {
  const followers = await follow(
    stack.apiUrl,
    Array.from({ length: STREAMS }, () => '/v1/events'),
  );
  for (let index = 0; index < JOBS; index += 1) await runJob(stack.apiUrl, '1024x1024');
  await until(() => followers.latencies.length === JOBS * 3 * STREAMS);
  const rows = toRows(stack, `${STREAMS} streams of an account, ${JOBS * 3} events to each`, followers.latencies);
  followers.close();
  return rows;
}

/** Every stream follows a job of its own, to its end. */
async function measureJobStreams(stack: Stack): Promise<Row[]> {
  const paths: string[] = [];
  for (let index = 0; index < STREAMS; index += 1) paths.push(await submit(stack.apiUrl));
  const followers = await follow(stack.apiUrl, paths);
  await stack.addWorker();
  await until(() => followers.ended === STREAMS);
  return toRows(stack, `${STREAMS} streams of a job each, to its end`, followers.latencies);
}

async function submit(apiUrl: string): Promise<string> {
  const headers = { 'content-type': 'application/json' };
  const reply = await fetch(`${apiUrl}/v1/jobs`, {
    method: 'POST',
    headers,
    body: JSON.stringify(jobBody('1024x1024')),
  });
  return `/v1/jobs/${((await reply.json()) as { id: string }).id}/events`;
}

/** Opens a stream for each path and waits until all are there. */
async function follow(apiUrl: string, paths: readonly string[]): Promise<Followers> {
  const agent = new Agent({ maxSockets: Number.POSITIVE_INFINITY });
  const latencies: number[] = [];
  const open: IncomingMessage[] = [];
  const counts = { ended: 0 };
  for (let from = 0; from < paths.length; from += OPENING_AT_ONCE) {
    const streams = await Promise.all(
      paths.slice(from, from + OPENING_AT_ONCE).map((path) => openStream(apiUrl + path, agent)),
    );
    for (const stream of streams) {
      stream.on('data', (text: string) => latencies.push(...latenciesOf(text)));
      stream.once('end', () => (counts.ended += 1));
    }
    open.push(...streams);
  }
  return {
    latencies,
    get ended() {
      return counts.ended;
    },
    close() {
      for (const stream of open) stream.destroy();
    },
  };
}

function openStream(url: string, agent: Agent): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    get(url, { agent }, (reply) => {
      if (reply.statusCode === 200) resolve(reply.setEncoding('utf8'));
      else reject(new Error(`${url} answered ${reply.statusCode}`));
    }).once('error', reject);
  });
}

function latenciesOf(text: string): number[] {
  const now = Date.now();
  return [...text.matchAll(/^id: (\d+)-\d+\nevent: (?!snapshot)/gm)].map(([, at]) => now - Number(at));
}

function toRows({ api }: Stack, what: string, latencies: readonly number[]): Row[] {
  const { nowBytes, peakBytes } = memory(api.pid);
  return [
    {
      what: `${what}: memory of the API process, now (peak ${megabytes(peakBytes)})`,
      measured: megabytes(nowBytes),
      ceiling: megabytes(ALLOWED_BYTES),
      ratio: ratio(nowBytes, ALLOWED_BYTES),
    },
    ...[0.5, 0.99].map((share) => ({
      what: `${what}: Redis entry to client, p${share * 100}`,
      measured: ms(percentile(latencies, share)),
      ceiling: '',
      ratio: '',
    })),
  ];
}

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 10));
}
