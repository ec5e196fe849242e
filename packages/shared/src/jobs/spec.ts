// What was asked of a job, and its compact form in Redis: a batch has 50,000 of them, and prompts may be long.
import { isDeepStrictEqual } from 'node:util';
import { assertFields, type Fields, RedisReplyError, readJsonObject } from '../base/redis-reply.ts';
import type { ImageFormat } from '../images/keys.ts';
import type { Operation } from '../models/rules.ts';
import type { OnUnknown } from '../requests/envelope.ts';
import type { InputRef, InputSet } from '../requests/inputs.ts';
import type { Priority } from '../requests/submission.ts';
import type { Webhook } from '../requests/webhook.ts';

/** What was asked and how it is cut into calls. Written once, with the job. */
export interface JobSpec {
  readonly account: string;
  readonly operation: Operation;
  /** The operation asked of the upstream. */
  readonly sentAs: Operation;
  readonly model: string;
  readonly requestedModel: string | null;
  readonly lane: string;
  /** The caller's body as accepted. */
  readonly input: Readonly<Record<string, unknown>>;
  /** The body sent upstream, without `n`; input images as `InputRef`s, see `inputsOf`. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Image indexes of each call. */
  readonly calls: readonly (readonly number[])[];
  readonly outputFormat: ImageFormat;
  readonly downscaleTo: { readonly width: number; readonly height: number } | null;
  readonly warnings: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly priority: Priority;
  readonly expiresAfterSeconds: number;
  /** What becomes of a call whose outcome is unknown; null = as the worker's ON_UNKNOWN says. */
  readonly onUnknown: OnUnknown | null;
  /** How OpenAI-shaped replies carry the images; null = as the route does by default. */
  readonly responseFormat: 'url' | 'b64_json' | null;
  readonly batchId: string | null;
  readonly customId: string | null;
  /** Who hears of its events; null = nobody. Never shown. */
  readonly webhook: Webhook | null;
}

/** The input images of a job's upstream request; none of a generation. */
export function inputsOf({ body }: Pick<JobSpec, 'body'>): InputSet<InputRef> {
  const { images = [], mask = null, markup = null } = body as Partial<InputSet<InputRef>>;
  return { images, mask, markup };
}

/** What most jobs have; left out in Redis. */
const USUAL = {
  operation: 'generation',
  outputFormat: 'png',
  downscaleTo: null,
  warnings: [],
  metadata: {},
  priority: 'normal',
  onUnknown: null,
  responseFormat: null,
  customId: null,
  webhook: null,
} as const satisfies Partial<JobSpec>;

interface Stored {
  readonly [field: string]: unknown;
  readonly body: Readonly<Record<string, unknown>>;
  /** Fields of `body` that follow from `input`: most of all the prompt, and the images. */
  readonly same: readonly string[];
}

const IMAGE_FIELDS: readonly string[] = ['images', 'mask', 'markup'];

/** A field of `input` as it stands in most bodies: images without where they came from. */
function sentOf(name: string, value: unknown): unknown {
  if (!IMAGE_FIELDS.includes(name)) return value;
  return Array.isArray(value) ? value.map(withoutSource) : withoutSource(value);
}

function withoutSource(image: unknown): unknown {
  if (typeof image !== 'object' || image === null || Array.isArray(image)) return image;
  return Object.fromEntries(Object.entries(image).filter(([name]) => name !== 'file_id' && name !== 'image_url'));
}

function isSame(a: unknown, b: unknown): boolean {
  return a === b || (typeof a === 'object' && isDeepStrictEqual(a, b));
}

export function encodeSpec(spec: JobSpec): string {
  const { body, input, account: _, batchId: __, lane, requestedModel, sentAs, ...rest } = spec;
  const same = Object.keys(body).filter((name) => isSame(body[name], sentOf(name, input[name])));
  const unusual = Object.entries(rest).filter(([name, value]) => !isSame(value, USUAL[name as keyof typeof USUAL]));
  const own = Object.fromEntries(Object.entries(body).filter(([name]) => !same.includes(name)));
  const derived = {
    ...(lane === spec.model ? {} : { lane }),
    ...(requestedModel === spec.model ? {} : { requestedModel }),
    ...(sentAs === spec.operation ? {} : { sentAs }),
  };
  return JSON.stringify({ ...Object.fromEntries(unusual), ...derived, input, body: own, same } satisfies Stored);
}

const STORED: Fields = [
  ['model', 'text'],
  ['input', 'object'],
  ['body', 'object'],
  ['same', 'list'],
  ['calls', 'list'],
];

/** `owner`: what the job's state holds already; `place`: the job's key. Throws RedisReplyError for what is no spec. */
export function decodeSpec(
  text: string | undefined,
  owner: Pick<JobSpec, 'account' | 'batchId'>,
  place = 'job',
): JobSpec {
  const stored = readJsonObject(text, `${place} spec`);
  assertFields(stored, STORED, `${place} spec`);
  const { body, same, ...rest } = stored as unknown as Stored &
    Pick<JobSpec, 'input' | 'model' | 'calls'> & { operation?: Operation };
  if (!rest.calls.every(Array.isArray)) throw new RedisReplyError(`${place} spec calls`, 'lists of images', rest.calls);
  const shared = Object.fromEntries(same.map((name) => [name, sentOf(name, rest.input[name])]));
  const operation = rest.operation ?? USUAL.operation;
  const derived = { lane: rest.model, requestedModel: rest.model, sentAs: operation };
  return { ...USUAL, ...derived, ...rest, ...owner, body: { ...shared, ...body } } as unknown as JobSpec;
}
