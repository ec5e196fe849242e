// A scenario with Darkroom: all work is submitted at once over HTTP, then every job's end is waited for.
import type { Stack } from '@darkroom/dev/stack.ts';
import pLimit from 'p-limit';
import { withStack } from '../support/bench-stack.ts';
import { cpuMs } from '../support/usage.ts';
import type { Run } from './figures.ts';
import { get } from './get.ts';
import type { DarkroomScenario } from './scenarios.ts';
import { type AccountName, type Call, MODEL } from './work.ts';

const API_KEYS: Readonly<Record<AccountName, string>> = { alpha: 'dk_alpha', beta: 'dk_beta' };
/** Connections of a caller that has much to submit. */
const SUBMITTERS = 32;
const WAITERS = 8;
/** What a call takes of a worker's places: the upstream's time and the longest sleep for a permit, with a margin. */
const SECONDS_IN_PLACE = 10;
const FEWEST_PLACES = 20;

interface Job {
  readonly id: string;
  readonly account: AccountName;
  readonly finished_at: number | null;
  readonly status: string;
  readonly progress: { readonly images_completed: number };
}

export function runDarkroom(scenario: DarkroomScenario, calls: readonly Call[], upstreamUrl: string): Promise<Run> {
  const { workers } = scenario;
  return withStack({ upstreamUrl, workers, env: envOf(scenario) }, async (stack) => {
    const cpuBefore = cpuOf(stack);
    const startedAt = Date.now();
    const { jobs, secondFrom } = await submitAll(stack.apiUrl, calls);
    const ended = await untilEnded(stack.apiUrl, jobs);
    return {
      startedAt,
      endedAt: Date.now(),
      images: ended.reduce((sum, { progress }) => sum + progress.images_completed, 0),
      failed: ended.filter(({ status }) => status !== 'completed').length,
      workersCpuMs: cpuOf(stack) - cpuBefore,
      secondFrom,
    };
  });
}

function envOf({ upstream, workers, told }: DarkroomScenario): Record<string, string> {
  const places = Math.ceil(((upstream.imagesPerMinute / 60) * SECONDS_IN_PLACE) / workers);
  const limits = told && { [MODEL]: { images_per_minute: upstream.imagesPerMinute, burst_seconds: told.burstSeconds } };
  return {
    AUTH: 'keys',
    API_KEYS: Object.entries(API_KEYS)
      .map(([account, key]) => `${account}:${key}`)
      .join(','),
    WORKER_CONCURRENCY: String(Math.max(FEWEST_PLACES, places)),
    LIMITS: JSON.stringify(limits ?? {}),
  };
}

/** The second account submits when all of the first's jobs are accepted. */
async function submitAll(
  apiUrl: string,
  calls: readonly Call[],
): Promise<{ jobs: readonly Job[]; secondFrom: number | null }> {
  const limit = pLimit(SUBMITTERS);
  const submitOf = (account: AccountName): Promise<Job[]> =>
    limit.map(
      calls.filter((call) => call.account === account),
      (call) => submit(apiUrl, call),
    );
  const first = await submitOf('alpha');
  const from = Date.now();
  const second = await submitOf('beta');
  return { jobs: [...first, ...second], secondFrom: second.length === 0 ? null : from };
}

async function submit(apiUrl: string, { account, body }: Call): Promise<Job> {
  const reply = await fetch(`${apiUrl}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${API_KEYS[account]}` },
    body: JSON.stringify({ operation: 'generation', input: body }),
  });
  return { ...(await bodyOf<Omit<Job, 'account'>>(reply, 202)), account };
}

async function untilEnded(apiUrl: string, jobs: readonly Job[]): Promise<readonly Job[]> {
  return pLimit(WAITERS).map(jobs, async (job) => {
    let last = job;
    while (last.finished_at === null) {
      const headers = { authorization: `Bearer ${API_KEYS[job.account]}` };
      last = await bodyOf<Job>(await get(`${apiUrl}/v1/jobs/${job.id}?wait=60`, headers), 200);
    }
    return last;
  });
}

async function bodyOf<T>(reply: Response, status: number): Promise<T> {
  if (reply.status !== status) throw new Error(`${reply.url}: ${reply.status} ${await reply.text()}`);
  return (await reply.json()) as T;
}

function cpuOf({ workers }: Stack): number {
  return workers.reduce((sum, { pid }) => sum + cpuMs(pid), 0);
}
