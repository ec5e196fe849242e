// Steps of a whole job, typed over their Lua: record it, withhold its calls, open it again. Each is atomic and safe to repeat.
// Those of a call and its attempts are in attempt-steps.ts.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { loadScript, runScript, type Script } from '../base/redis.ts';
import { toWebhookMark } from '../requests/webhook.ts';
import type { JobStatus } from './record.ts';
import { encodeSpec, type JobSpec } from './spec.ts';
import type { Asking } from './unanswered.ts';

const load = (step: string): Script => loadScript(import.meta.url, 'lua/lane.lua', 'lua/lib.lua', `lua/${step}.lua`);
const CREATE = loadScript(
  import.meta.url,
  'lua/unanswered.lua',
  'lua/idempotency.lua',
  'lua/lib.lua',
  'lua/create-job.lua',
);
const WITHHOLD = load('withhold-calls');
const RETRY = load('retry-job');

/** The sweep looks at a new job for the first time after this long; by then its items have long been added. */
const FIRST_LOOK_MS = 15_000;

export interface JobSteps {
  readonly redis: Redis;
  readonly keys: Keys;
  /** How long an ended job is kept, ms; Infinity = for ever. */
  readonly retentionMs: number;
}

export interface Idempotency {
  readonly keyHash: string;
  readonly fingerprint: string;
}

export type Created =
  | { readonly kind: 'created'; readonly id: string; readonly createdAt: number }
  | { readonly kind: 'exists'; readonly id: string }
  /** A client's own retry: this is what its earlier try has made. */
  | { readonly kind: 'joined'; readonly id: string }
  /** Its batch takes no more jobs. */
  | { readonly kind: 'closed'; readonly id: string }
  | { readonly kind: 'conflict'; readonly id: string };

const IDEMPOTENCY_LIFE_MS = 48 * 3_600_000;

/**
 * Records a job. `exists`: the id or idempotency key was used before; `conflict`: for another body. `asking`: the client
 * that waits for the reply; null when nobody may join, as when its idempotency key says what is the same.
 */
export async function createJob(
  steps: JobSteps,
  id: string,
  spec: JobSpec,
  idempotency: Idempotency | null,
  asking: Asking | null = null,
): Promise<Created> {
  const { redis, keys } = steps;
  const images = spec.calls.reduce((sum, call) => sum + call.length, 0);
  const reply = (await runScript(
    redis,
    CREATE,
    [
      keys.job(id),
      keys.accountJobs(spec.account),
      keys.openJobs,
      keys.idempotency(spec.account, idempotency?.keyHash ?? ''),
      keys.accounts,
      keys.unanswered(spec.account, asking?.fingerprint ?? ''),
    ],
    [
      id,
      spec.account,
      encodeSpec(spec),
      spec.calls.length,
      images,
      spec.expiresAfterSeconds * 1_000,
      FIRST_LOOK_MS,
      idempotency?.fingerprint ?? '',
      IDEMPOTENCY_LIFE_MS,
      spec.batchId ?? '',
      toWebhookMark(spec.webhook),
      asking?.asker ?? '',
      asking?.isRetry === true ? 1 : 0,
    ],
  )) as [Created['kind'], string, number];
  return { kind: reply[0], id: reply[1], createdAt: reply[2] };
}

export type Withheld = { readonly kind: 'gone' } | { readonly kind: 'ended' | 'done'; readonly status: JobStatus };

/** Cancels the job's calls, or expires them when its time is over; calls under way finish. */
export async function withholdCalls(
  steps: JobSteps,
  jobId: string,
  calls: number,
  reason: 'cancelled' | 'expired',
): Promise<Withheld> {
  const { redis, keys } = steps;
  const reply = (await runScript(redis, WITHHOLD, [keys.job(jobId)], [reason, calls, toRetention(steps)])) as [
    Withheld['kind'],
    JobStatus,
  ];
  return reply[0] === 'gone' ? { kind: 'gone' } : { kind: reply[0], status: reply[1] };
}

export type Retried =
  | { readonly kind: 'gone' | 'open' | 'whole' }
  | { readonly kind: 'retried'; readonly run: number; readonly calls: readonly number[] };

/** Opens an ended job for a new run of its calls without images. A caller can't while the job's batch is running. */
export async function retryJob(
  steps: JobSteps,
  jobId: string,
  spec: JobSpec,
  by: 'caller' | 'batch' = 'caller',
): Promise<Retried> {
  const { redis, keys } = steps;
  const reply = (await runScript(
    redis,
    RETRY,
    [keys.job(jobId)],
    [spec.calls.length, spec.expiresAfterSeconds * 1_000, FIRST_LOOK_MS, by === 'batch' ? 1 : 0],
  )) as [Retried['kind'], number, ...number[]];
  const [kind, run, ...calls] = reply;
  return kind === 'retried' ? { kind, run, calls } : { kind };
}

/** How long an ended job is kept, as the Lua steps take it: 0 = for ever. */
export function toRetention(steps: JobSteps): number {
  return Number.isFinite(steps.retentionMs) ? steps.retentionMs : 0;
}
