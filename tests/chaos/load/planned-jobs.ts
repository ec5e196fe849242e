// The jobs of a plan: what is asked, by what kind of client, and what that client does afterwards. Each has a prompt of
// its own, which finds it again in every book. Pure.
import type { Random } from '../random.ts';
import type { AccountName } from '../world/accounts.ts';

/**
 * How a job is asked for: `post` POST /v1/jobs with the SDK's retries · `keyed` the same twice under one idempotency key ·
 * `wait` with Prefer: wait · `sync` the SDK's images.generate · `sync-edit` images.edit with an upload.
 */
export type Client = 'post' | 'keyed' | 'wait' | 'sync' | 'sync-edit';

export interface PlannedJob {
  /** Unique in a run: `7-12-3`. */
  readonly id: string;
  readonly client: Client;
  readonly account: AccountName;
  readonly operation: 'generation' | 'edit' | 'variation';
  /** OpenAI's body without the input image. */
  readonly input: Readonly<Record<string, unknown>>;
  /** How the input image is given; null for none. */
  readonly image: 'file_id' | 'data_url' | null;
  /** Who hears of it; `tired`: a receiver that fails now and then. */
  readonly webhook: 'live' | 'tired' | null;
  /** Envelope fields beside the input. */
  readonly envelope: Readonly<Record<string, unknown>>;
  readonly afterwards: 'cancel' | 'retry' | null;
}

/** A batch, whose lines are jobs. */
export interface PlannedBatch {
  readonly id: string;
  readonly account: AccountName;
  readonly lines: number;
}

/** What a named state needs to be reached. */
export type Bait = 'generation' | 'edit' | 'webhook' | 'batch' | 'post';

export interface JobsOptions {
  readonly seed: number;
  readonly act: number;
  readonly bait: Bait | null;
  readonly isShort: boolean;
  readonly hasLinks: boolean;
  /** The second asks for a third. */
  readonly hasTwoAccounts: boolean;
}

const MODELS = ['gpt-image-2', 'gpt-image-2.6-flare', 'gpt-image-2.5-sunburst', 'gpt-image-2.5-flare'] as const;
const JOBS_AN_ACT = 9;
const JOBS_A_SHORT_ACT = 7;

export function planJobs(random: Random, options: JobsOptions): PlannedJob[] {
  const count = options.isShort ? JOBS_A_SHORT_ACT : JOBS_AN_ACT;
  return Array.from({ length: count }, (_, at) => planJob(random, options, at));
}

/** The first jobs of an act are its bait. */
function planJob(random: Random, { seed, act, bait, hasLinks, hasTwoAccounts }: JobsOptions, at: number): PlannedJob {
  const id = `${seed}-${act}-${at}`;
  const isBait = at < 4;
  const image =
    isBait && bait === 'edit' ? 'file_id' : random.pick([null, null, null, null, 'file_id', 'data_url'] as const);
  const client =
    isBait && bait !== null ? 'post' : random.pick(['post', 'keyed', 'wait', 'sync', 'sync', 'sync-edit'] as const);
  const operation = operationOf(random, client, image);
  const afterwards = isBait ? null : random.pick([null, null, null, null, 'cancel', 'retry'] as const);
  return {
    id,
    client,
    account: hasTwoAccounts && random.chance(1 / 3) ? 'two' : 'one',
    operation,
    image: operation === 'generation' || client === 'sync-edit' ? null : image,
    input: inputOf(random, id, operation, hasLinks && client !== 'sync-edit'),
    webhook: webhookOf(random, client, isBait && bait === 'webhook'),
    envelope: {
      ...(random.chance(0.3) ? { priority: random.pick(['high', 'low'] as const) } : {}),
      ...(random.chance(0.05) && !isBait ? { expires_after: 1 } : {}),
      // A form has no such field.
      ...(random.chance(0.15) && client !== 'sync-edit' ? { on_unknown: 'fail' } : {}),
      metadata: { chaos: id },
    },
    afterwards,
  };
}

/** A form is sent without one. */
function webhookOf(random: Random, client: Client, isBait: boolean): PlannedJob['webhook'] {
  const picked = random.pick([null, null, 'live', 'tired'] as const);
  if (client === 'sync-edit') return null;
  return isBait ? 'live' : picked;
}

function operationOf(random: Random, client: Client, image: PlannedJob['image']): PlannedJob['operation'] {
  if (client === 'sync-edit') return 'edit';
  if (client === 'sync' || image === null) return 'generation';
  return random.chance(0.3) ? 'variation' : 'edit';
}

function inputOf(
  random: Random,
  id: string,
  operation: PlannedJob['operation'],
  hasLinks: boolean,
): PlannedJob['input'] {
  const n = random.pick([1, 1, 1, 2, 3]);
  const prompt = `chaos ${id}`;
  if (operation === 'variation') return { model: 'dall-e-2', size: '256x256', n: Math.min(n, 2) };
  if (operation === 'generation' && random.chance(hasLinks ? 0.5 : 0.2)) {
    return { model: 'dall-e-3', prompt, n, size: '1024x1024', quality: 'standard' };
  }
  const model = random.pick(MODELS);
  return { model, prompt, n, size: '1024x1024', quality: 'low', output_format: random.pick(['png', 'jpeg', 'webp']) };
}
