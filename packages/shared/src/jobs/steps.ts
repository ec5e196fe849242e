// Steps of a whole job, typed over their Lua: record it, withhold its calls, open it again. Each is atomic and safe to repeat.
// Those of a call and its attempts are in attempt-steps.ts and paying-gate.ts.
import type { Keys } from '../base/keys.ts';
import { loadScript, runScript, type Script } from '../base/redis.ts';
import { assertNumbers, RedisReplyError, readId, readKind, readWord } from '../base/redis-reply.ts';
import { type DurableRedis, runDurably } from '../base/replicas.ts';
import type { Full, OpenCalls } from '../lanes/queue-room.ts';
import { type CallItem, type PlacedItem, priorityOf, waitingItemsKey } from '../queues/call-queue.ts';
import { toWebhookMark } from '../requests/webhook.ts';
import { JOB_STATUSES, type JobRecord, type JobStatus, toNewRecord } from './record.ts';
import { encodeSpec, type JobSpec } from './spec.ts';
import type { Asking } from './unanswered.ts';

const load = (step: string): Script => loadScript(import.meta.url, 'lua/lane.lua', 'lua/lib.lua', `lua/${step}.lua`);
const CREATE = loadScript(
  import.meta.url,
  'lua/unanswered.lua',
  'lua/idempotency.lua',
  'lua/lane.lua',
  'lua/lib.lua',
  'lua/create-job.lua',
);
const RETRY = loadScript(
  import.meta.url,
  'lua/unanswered.lua',
  'lua/idempotency.lua',
  'lua/lane.lua',
  'lua/lib.lua',
  'lua/retry-job.lua',
);
const WITHHOLD = load('withhold-calls');
const TAG_CALLS = load('tag-calls');
const PLAN_PLACE = loadScript(import.meta.url, 'lua/lane.lua', 'lua/plan-place.lua');

/** The sweep looks at a new job for the first time after this long; by then its items have long been added. */
const FIRST_LOOK_MS = 15_000;

export interface JobSteps extends DurableRedis {
  readonly keys: Keys;
  /** How long an ended job is kept, ms; Infinity = for ever. */
  readonly retentionMs: number;
}

export interface Idempotency {
  readonly keyHash: string;
  readonly fingerprint: string;
}

export type Created =
  /** `items` are to be queued; so many others go before the first. */
  | {
      readonly kind: 'created';
      readonly id: string;
      /** As it was recorded; what it has become since is not in it. */
      readonly record: JobRecord;
      readonly ahead: number;
      readonly items: readonly PlacedItem[];
    }
  /** Nothing was recorded. */
  | ({ readonly kind: 'full'; readonly id: string } & Full)
  | { readonly kind: 'exists'; readonly id: string }
  /** A client's own retry: this is what its earlier try has made. */
  | { readonly kind: 'joined'; readonly id: string }
  /** Its batch takes no more jobs. */
  | { readonly kind: 'closed'; readonly id: string }
  | { readonly kind: 'conflict'; readonly id: string };

/** Read strictly: what is not an answer of the step decides nothing. */
const CREATED = new Set<Created['kind']>(['created', 'full', 'exists', 'joined', 'closed', 'conflict']);
const LIMITS = new Set<keyof OpenCalls>(['lane', 'account']);
const STATUSES: ReadonlySet<JobStatus> = new Set(JOB_STATUSES);

export const IDEMPOTENCY_LIFE_MS = 48 * 3_600_000;

/**
 * Records a job. `exists`: the id or idempotency key was used before; `conflict`: for another body. `asking`: the client
 * that waits for the reply; null when nobody may join, as when its idempotency key says what is the same. `limits`: null
 * when the job is taken however many calls are open, as those of a batch are.
 */
export async function createJob(
  steps: JobSteps,
  id: string,
  spec: JobSpec,
  idempotency: Idempotency | null,
  asking: Asking | null = null,
  limits: OpenCalls | null = null,
): Promise<Created> {
  const { keys } = steps;
  const images = spec.calls.reduce((sum, call) => sum + call.length, 0);
  const reply = await runDurably(
    steps,
    CREATE,
    [
      keys.job(id),
      keys.accountJobs(spec.account),
      keys.openJobs,
      keys.idempotency(spec.account, idempotency?.keyHash ?? ''),
      keys.accounts,
      keys.unanswered(spec.account, asking?.fingerprint ?? ''),
      keys.lane(spec.lane),
      waitingItemsKey(keys, spec.lane),
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
      spec.lane,
      spec.priority,
      imagesOfCalls(spec),
      limits?.lane ?? 0,
      limits?.account ?? 0,
    ],
    'The job may have been recorded nevertheless: look it up, or repeat this with the same Idempotency-Key.',
  );
  const [kind, known, ...facts] = readKind(reply, CREATED, 'create-job');
  if (kind === 'created' && known !== id) throw new RedisReplyError('create-job', 'about this job', known);
  const knownId = readId(known, 'create-job');
  if (kind === 'full') return { id: knownId, ...toFull(facts, 'create-job') };
  if (kind !== 'created') return { kind, id: knownId };
  assertNumbers(facts, 3 + spec.calls.length, 'create-job');
  const [createdAt = 0, ahead = 0, base = 0, ...tags] = facts;
  const items = tags.map((tag, call) => toPlaced({ jobId: id, call, run: 1 }, tag, base));
  return { kind, id, record: toNewRecord(id, spec, createdAt), ahead, items };
}

/** «limit, open calls of the lane, of the account». */
function toFull([limit, ...open]: readonly unknown[], step: string): { readonly kind: 'full' } & Full {
  assertNumbers(open, 2, step);
  const [lane = 0, account = 0] = open;
  return { kind: 'full', limit: readWord(limit, LIMITS, step), open: { lane, account } };
}

function imagesOfCalls({ calls }: Pick<JobSpec, 'calls'>): string {
  return JSON.stringify(calls.map((images) => images.length));
}

function toPlaced(item: CallItem, tag: number, base: number): PlacedItem {
  return { ...item, tag, priority: priorityOf(tag, base) };
}

const WITHHELD = new Set<Withheld['kind']>(['gone', 'ended', 'done']);

export type Withheld = { readonly kind: 'gone' } | { readonly kind: 'ended' | 'done'; readonly status: JobStatus };

/** Cancels the job's calls, or expires them when its time is over; calls under way finish. */
export async function withholdCalls(
  steps: JobSteps,
  jobId: string,
  calls: number,
  reason: 'cancelled' | 'expired',
): Promise<Withheld> {
  const reply = await runDurably(
    steps,
    WITHHOLD,
    [steps.keys.job(jobId)],
    [reason, calls, toRetention(steps)],
    'Calls may have been withheld nevertheless; repeating this does no harm.',
  );
  const [kind, status] = readKind(reply, WITHHELD, 'withhold-calls');
  return kind === 'gone' ? { kind } : { kind, status: readWord(status, STATUSES, 'withhold-calls') };
}

const RETRIED = new Set<Retried['kind']>(['gone', 'open', 'whole', 'full', 'exists', 'conflict', 'joined', 'retried']);

export type Retried =
  | { readonly kind: 'gone' | 'open' | 'whole' }
  /** As for `createJob`: a request that repeats another opens no run. */
  | { readonly kind: 'exists' | 'conflict' | 'joined' }
  /** `items` are to be queued; none when the step had been done before. */
  | { readonly kind: 'retried'; readonly run: number; readonly items: readonly PlacedItem[] }
  | ({ readonly kind: 'full' } & Full);

/**
 * Opens an ended job for a new run of its calls without images, once: `run` is the one it is known to be in. A caller can't
 * while the job's batch is running, and the batch only then. `idempotency`, `asking` and `limits` as for `createJob`.
 */
export async function retryJob(
  steps: JobSteps,
  { id: jobId, run: known, spec }: Pick<JobRecord, 'id' | 'run' | 'spec'>,
  by: 'caller' | 'batch' = 'caller',
  idempotency: Idempotency | null = null,
  asking: Asking | null = null,
  limits: OpenCalls | null = null,
): Promise<Retried> {
  const { keys } = steps;
  const reply = await runDurably(
    steps,
    RETRY,
    [
      keys.job(jobId),
      keys.lane(spec.lane),
      keys.idempotency(spec.account, idempotency?.keyHash ?? ''),
      keys.unanswered(spec.account, asking?.fingerprint ?? ''),
    ],
    [
      imagesOfCalls(spec),
      spec.expiresAfterSeconds * 1_000,
      FIRST_LOOK_MS,
      by === 'batch' ? 1 : 0,
      spec.lane,
      spec.priority,
      limits?.lane ?? 0,
      limits?.account ?? 0,
      known,
      idempotency?.fingerprint ?? '',
      IDEMPOTENCY_LIFE_MS,
      asking?.asker ?? '',
      asking?.isRetry === true ? 1 : 0,
    ],
    'The job may run again nevertheless: look it up.',
  );
  const [kind, ...facts] = readKind(reply, RETRIED, 'retry-job');
  if (kind === 'full') return toFull(facts, 'retry-job');
  if (kind !== 'retried') return { kind };
  assertNumbers(facts, 2, 'retry-job');
  const [run = 0, base = 0, ...callsAndTags] = facts;
  const items: PlacedItem[] = [];
  for (let i = 0; i + 1 < callsAndTags.length; i += 2) {
    const [call = 0, tag = 0] = callsAndTags.slice(i, i + 2);
    items.push(toPlaced({ jobId, call, run }, tag, base));
  }
  return { kind, run, items };
}

/** New places at the end of their flow for calls whose items have to be queued once more; none when the job is gone. */
export async function tagCalls(
  { redis, keys }: Pick<JobSteps, 'redis' | 'keys'>,
  spec: JobSpec,
  items: readonly CallItem[],
): Promise<PlacedItem[]> {
  const [first] = items;
  if (first === undefined) return [];
  const images = items.map(({ call }) => spec.calls[call]?.length ?? 1);
  const [base = 0, ...tags] = (await runScript(
    redis,
    TAG_CALLS,
    [keys.job(first.jobId), keys.lane(spec.lane)],
    [spec.priority, JSON.stringify(images)],
  )) as number[];
  return tags.flatMap((tag, index) => {
    const item = items[index];
    return item === undefined ? [] : [toPlaced(item, tag, base)];
  });
}

/** How many waiting items would go before the first call of a job, were it recorded now. Records nothing. */
export async function planPlace(
  { redis, keys }: Pick<JobSteps, 'redis' | 'keys'>,
  first: Pick<JobSpec, 'account' | 'lane' | 'priority'> & { readonly images: number },
): Promise<number> {
  const { account, lane, priority, images } = first;
  const place = [keys.lane(lane), waitingItemsKey(keys, lane)];
  return (await runScript(redis, PLAN_PLACE, place, [account, priority, images])) as number;
}

/** How long an ended job is kept, as the Lua steps take it: 0 = for ever. */
export function toRetention(steps: JobSteps): number {
  return Number.isFinite(steps.retentionMs) ? steps.retentionMs : 0;
}
