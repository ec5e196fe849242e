// What was asked of a job, and its compact form in Redis: a batch has 50,000 of them, and prompts may be long.
import { isDeepStrictEqual } from 'node:util';
import type { ImageFormat } from '../images/keys.ts';
import type { Operation } from '../models/rules.ts';
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
  /** The body sent upstream, without `n`. */
  readonly body: Readonly<Record<string, unknown>>;
  /** Image indexes of each call. */
  readonly calls: readonly (readonly number[])[];
  readonly outputFormat: ImageFormat;
  readonly downscaleTo: { readonly width: number; readonly height: number } | null;
  readonly warnings: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly priority: Priority;
  readonly expiresAfterSeconds: number;
  /** How OpenAI-shaped replies carry the images; null = as the route does by default. */
  readonly responseFormat: 'url' | 'b64_json' | null;
  readonly batchId: string | null;
  readonly customId: string | null;
  /** Who hears of its events; null = nobody. Never shown. */
  readonly webhook: Webhook | null;
}

/** What most jobs have; left out in Redis. */
const USUAL = {
  operation: 'generation',
  outputFormat: 'png',
  downscaleTo: null,
  warnings: [],
  metadata: {},
  priority: 'normal',
  responseFormat: null,
  customId: null,
  webhook: null,
} as const satisfies Partial<JobSpec>;

interface Stored {
  readonly [field: string]: unknown;
  readonly body: Readonly<Record<string, unknown>>;
  /** Fields of `body` that are the same in `input`: most of all the prompt. */
  readonly same: readonly string[];
}

export function encodeSpec(spec: JobSpec): string {
  const { body, input, account: _, batchId: __, lane, requestedModel, sentAs, ...rest } = spec;
  const same = Object.keys(body).filter((name) => isDeepStrictEqual(body[name], input[name]));
  const unusual = Object.entries(rest).filter(
    ([name, value]) => !isDeepStrictEqual(value, USUAL[name as keyof typeof USUAL]),
  );
  const own = Object.fromEntries(Object.entries(body).filter(([name]) => !same.includes(name)));
  const derived = {
    ...(lane === spec.model ? {} : { lane }),
    ...(requestedModel === spec.model ? {} : { requestedModel }),
    ...(sentAs === spec.operation ? {} : { sentAs }),
  };
  return JSON.stringify({ ...Object.fromEntries(unusual), ...derived, input, body: own, same } satisfies Stored);
}

/** `owner`: what the job's state holds already. */
export function decodeSpec(text: string, owner: Pick<JobSpec, 'account' | 'batchId'>): JobSpec {
  const { body, same, ...rest } = JSON.parse(text) as Stored &
    Pick<JobSpec, 'input' | 'model'> & { operation?: Operation };
  const shared = Object.fromEntries(same.map((name) => [name, rest.input[name]]));
  const operation = rest.operation ?? USUAL.operation;
  const derived = { lane: rest.model, requestedModel: rest.model, sentAs: operation };
  return { ...USUAL, ...derived, ...rest, ...owner, body: { ...shared, ...body } } as unknown as JobSpec;
}
