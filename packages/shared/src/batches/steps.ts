// The state machine of a batch, as typed functions over the Lua steps. Each step is atomic; workers take turns by lease,
// and a step that finds another status than it expects does nothing.
//
//   validating ─▶ in_progress ─▶ finalizing ─▶ completed | expired | cancelled ──retry──▶ in_progress, run+1
//       │  └──cancel──┴──▶ cancelling ─▶ finalizing
//       └─▶ failed: the input was refused, nothing was spent; or, from any open status, it has vanished from storage
import type { Keys } from '../base/keys.ts';
import { loadScript, runScript, type Script } from '../base/redis.ts';
import { readFlag, readId, readKind, readWord } from '../base/redis-reply.ts';
import { type DurableRedis, runDurably } from '../base/replicas.ts';
import { IDEMPOTENCY_LIFE_MS, type Idempotency } from '../jobs/steps.ts';
import type { Asking } from '../jobs/unanswered.ts';
import { toWebhookMark } from '../requests/webhook.ts';
import type { BatchRecord, BatchSpec, BatchStatus } from './record.ts';

const load = (step: string): Script => loadScript(import.meta.url, 'lua/lib.lua', `lua/${step}.lua`);
const CREATE = loadScript(
  import.meta.url,
  '../jobs/lua/unanswered.lua',
  '../jobs/lua/idempotency.lua',
  'lua/lib.lua',
  'lua/create-batch.lua',
);
const RETRY = loadScript(
  import.meta.url,
  '../jobs/lua/unanswered.lua',
  '../jobs/lua/idempotency.lua',
  'lua/lib.lua',
  'lua/retry-batch.lua',
);
const MOVE = load('move-batch');
const CANCEL = load('cancel-batch');

/** Read strictly: what is not an answer of the step decides nothing. */
const CREATED = new Set<CreatedBatch['kind']>(['created', 'exists', 'joined', 'conflict']);
const RETRIED = new Set<RetriedBatch>(['gone', 'open', 'refused', 'whole', 'exists', 'conflict', 'joined', 'retried']);

export interface BatchSteps extends DurableRedis {
  readonly keys: Keys;
  /** How long an ended batch is kept, ms; Infinity = for ever. */
  readonly retentionMs: number;
}

export interface CreatedBatch {
  readonly kind: 'created' | 'exists' | 'joined' | 'conflict';
  readonly id: string;
}

/**
 * Records a batch in `validating`. `exists`, `conflict`: its idempotency key was used before, for the same or another body.
 * `joined`: a client's own retry, of what its earlier try has made. `asking`: who waits for the reply; null: nobody may join.
 */
export async function createBatch(
  steps: BatchSteps,
  id: string,
  spec: BatchSpec,
  idempotency: Idempotency | null,
  asking: Asking | null = null,
): Promise<CreatedBatch> {
  const { keys } = steps;
  const reply = await runDurably(
    steps,
    CREATE,
    [
      keys.batch(id),
      keys.accountBatches(spec.account),
      keys.openBatches,
      keys.idempotency(spec.account, idempotency?.keyHash ?? ''),
      keys.unanswered(spec.account, asking?.fingerprint ?? ''),
    ],
    [
      id,
      spec.account,
      JSON.stringify(spec),
      spec.windowMs,
      idempotency?.fingerprint ?? '',
      IDEMPOTENCY_LIFE_MS,
      toWebhookMark(spec.webhook),
      asking?.asker ?? '',
      asking?.isRetry === true ? 1 : 0,
    ],
    'The batch may have been recorded nevertheless: look it up, or repeat this with the same Idempotency-Key.',
  );
  const [kind, known] = readKind(reply, CREATED, 'create-batch');
  return { kind, id: readId(known, 'create-batch') };
}

/** Moves a batch on, with fields of its hash (null: none any more); false when it was not in `from`, or in another run. */
export async function moveBatch(
  steps: BatchSteps,
  { id, run }: Pick<BatchRecord, 'id' | 'run'>,
  from: BatchStatus,
  to: BatchStatus,
  fields: Readonly<Record<string, string | number | null>> = {},
): Promise<boolean> {
  const retention = Number.isFinite(steps.retentionMs) ? steps.retentionMs : 0;
  const reply = await runScript(
    steps.redis,
    MOVE,
    [steps.keys.batch(id)],
    [from, run, to, retention, ...Object.entries(fields).flatMap(([name, value]) => [name, value ?? ''])],
  );
  return readFlag(reply, 'move-batch');
}

/** The status afterwards; null = no such batch. Cancelling an ended batch changes nothing. */
export async function cancelBatch(steps: BatchSteps, id: string): Promise<BatchStatus | null> {
  const status = (await runScript(steps.redis, CANCEL, [steps.keys.batch(id)], [])) as BatchStatus | '';
  return status === '' ? null : status;
}

export type RetriedBatch = 'gone' | 'open' | 'refused' | 'whole' | 'exists' | 'conflict' | 'joined' | 'retried';

/**
 * Opens an ended batch again, once: `run` is the one it is known to be in. `refused`: its input was never accepted, or has
 * gone; `whole`: every line has its images. `idempotency` and `asking` as for `createBatch`.
 */
export async function retryBatch(
  { redis, keys }: Pick<BatchSteps, 'redis' | 'keys'>,
  { id, run, spec }: Pick<BatchRecord, 'id' | 'run' | 'spec'>,
  idempotency: Idempotency | null = null,
  asking: Asking | null = null,
): Promise<RetriedBatch> {
  const reply = await runScript(
    redis,
    RETRY,
    [
      keys.batch(id),
      keys.openBatches,
      keys.idempotency(spec.account, idempotency?.keyHash ?? ''),
      keys.unanswered(spec.account, asking?.fingerprint ?? ''),
    ],
    [
      spec.windowMs,
      run,
      idempotency?.fingerprint ?? '',
      IDEMPOTENCY_LIFE_MS,
      asking?.asker ?? '',
      asking?.isRetry === true ? 1 : 0,
    ],
  );
  return readWord(reply, RETRIED, 'retry-batch');
}
