// The variables api and worker both read, declared once. Each app's config.ts adds its own.
import { z } from 'zod';
import { optionalVariable, refined, variable } from './config.ts';
import { parseRedisUrl } from './redis-url.ts';
import { parseDurationMs } from './units.ts';

/** A whole number of `min`..`max`, written in digits. */
export function wholeNumber(min: number, max: number): z.ZodType<number, string> {
  return z
    .string()
    .regex(/^\d{1,15}$/, 'not a whole number')
    .transform(Number)
    .refine((value) => value >= min && value <= max, `not within ${min}..${max}`);
}

export const durationMs: z.ZodType<number, string> = z.string().transform((text, context) => {
  const ms = parseDurationMs(text);
  if (ms !== null) return ms;
  context.addIssue({ code: 'custom', message: 'not a duration' });
  return z.NEVER;
});

export const boolean: z.ZodType<boolean, string> = z.enum(['true', 'false']).transform((text) => text === 'true');

/** An address under which we are reached; no trailing slash. */
export const httpUrl = z
  .url({ protocol: /^https?$/, error: 'not an http(s) URL' })
  .refine((text) => !/[?#]/.test(text), 'has a query or fragment')
  .transform((text) => text.replace(/\/+$/, ''));

const limitFields = z.strictObject({
  images_per_minute: z.number().positive().optional(),
  requests_per_minute: z.number().positive().optional(),
  tokens_per_minute: z.number().positive().optional(),
  concurrency: z.number().int().positive().optional(),
  burst_seconds: z.number().nonnegative().default(5),
});

/** What the operator told of one model's or family's limits. */
export type ToldLimit = z.infer<typeof limitFields>;
export type ToldLimits = Readonly<Record<string, ToldLimit>>;

/** The value of LIMITS, parsed: limits by model id or family. */
export const limitsByName = z.record(z.string(), limitFields);

const limits: z.ZodType<ToldLimits, string> = z
  .string()
  .transform((text, context): unknown => {
    try {
      return JSON.parse(text);
    } catch (error) {
      context.addIssue({
        code: 'custom',
        message: `not JSON: ${error instanceof Error ? error.message : String(error)}`,
      });
      return z.NEVER;
    }
  })
  .pipe(limitsByName);

export const sharedVariables = {
  HOST: variable(z.string().min(1), '127.0.0.1', { about: 'Address to listen on.', allowed: 'a host name or address' }),
  REDIS_URL: refined(
    variable(z.string(), 'redis://127.0.0.1:6379', {
      about:
        'Redis 6.2 or newer, with `appendonly yes` and `maxmemory-policy noeviction`; or the sentinels that know its master.',
      allowed:
        'redis://…, rediss://…, or redis-sentinel://user:password@host:port,host:port/master (rediss-sentinel for TLS)',
      secret: true,
    }),
    parseRedisUrl,
  ),
  REDIS_MIN_REPLICAS: variable(wholeNumber(0, 20), '0', {
    about:
      'Replicas of Redis that must have what was accepted, sent or paid before it counts: a failover then loses none of it. While fewer answer, submits get 503 and no call starts.',
    allowed: 'a whole number from 0 to 20',
  }),
  REDIS_PREFIX: variable(z.string().regex(/^[a-z0-9-]{1,40}$/, 'not a prefix'), 'darkroom', {
    about: 'Prefix (and cluster hash tag) of every Redis key; two installations may share a server under two prefixes.',
    allowed: 'lower-case letters, digits and `-`',
  }),
  STORAGE_URL: variable(
    z.string().regex(/^(file:.+|s3:\/\/[^/]+.*)$/, 'neither file: nor s3://'),
    'file:./data/images',
    {
      about: 'Where images are kept: a folder, or an S3 bucket reached with the `AWS_*` variables.',
      allowed: '`file:` + a path, or `s3://bucket/prefix`',
    },
  ),
  S3_FORCE_PATH_STYLE: variable(boolean, 'false', {
    about: 'Address buckets by path (most S3 servers other than AWS).',
    allowed: '`true` or `false`',
  }),
  AWS_ENDPOINT_URL_S3: optionalVariable(z.string().regex(/^https?:\/\//, 'not an http(s) URL'), {
    about: 'S3 server to use instead of AWS.',
    allowed: 'http://… or https://…',
  }),
  AWS_REGION: optionalVariable(z.string().min(1), {
    about: 'Region of the bucket; `us-east-1` when an endpoint is set.',
    allowed: 'a region',
  }),
  STORAGE_PUBLIC_URL: optionalVariable(httpUrl, {
    about: 'Address under which the stored images are public (a CDN); image links are this + key, unsigned.',
    allowed: 'http://… or https://…',
  }),
  MODEL_POLICY: variable(z.enum(['translate', 'strict', 'passthrough']), 'translate', {
    about: 'Requests for a retired model: sent to its replacement, refused, or sent as they are.',
    allowed: '`translate`, `strict` or `passthrough`',
  }),
  DEFAULT_MODEL: variable(z.string().min(1), 'gpt-image-2.6-flare', {
    about: 'Model of requests that name none.',
    allowed: 'a model id',
  }),
  ALLOW_UNKNOWN_MODELS: variable(boolean, 'false', {
    about: 'Pass models on that the rules do not know.',
    allowed: '`true` or `false`',
  }),
  VARIATION_PROMPT: variable(
    z.string().min(1).max(1_000),
    'Create a variation of this image. Keep the subject, composition and style; vary the details.',
    {
      about:
        'What a variation is asked for with when it is sent as an edit: the variations endpoint is gone at OpenAI.',
      allowed: '1 to 1000 characters',
    },
  ),
  MAX_UPLOAD_BYTES: variable(wholeNumber(1, 1_000_000_000_000), '209715200', {
    about: 'Largest file callers may upload; for the lines of a batch 209715200 at most.',
    allowed: 'a whole number from 1',
  }),
  SIGNING_SECRET: optionalVariable(z.string().min(1), {
    about: 'Signs image links. Default: made once and kept in Redis.',
    allowed: 'any text; use 32 random characters or more',
    secret: true,
  }),
  LIMITS: variable(limits, '{}', {
    about:
      'Limits of the OpenAI account by model id or family (`other`: all models the rules do not know; other names are warned of at start): `{"gpt-image-2.6-flare": {"images_per_minute": 250, "requests_per_minute", "tokens_per_minute", "concurrency", "burst_seconds"}}`.',
    allowed: 'JSON',
  }),
  ALLOW_PRIVATE_URLS: variable(z.string().min(1), 'false', {
    about: 'Private addresses that result and caller URLs may lead to.',
    allowed: '`false`, `true`, or a list of CIDRs and hosts separated by commas',
  }),
  JOB_RETENTION: variable(durationMs, '30d', {
    about: 'How long an ended job is kept.',
    allowed: 'a duration: `90s`, `12h`, `30d`, `forever`',
  }),
  LOG_LEVEL: variable(z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']), 'info', {
    about: 'Least severe level that is logged.',
    allowed: 'fatal, error, warn, info, debug, trace or silent',
  }),
};

/** How long a call may take, and how long one of a dead worker is left alone: the audit judges by what the workers do. */
export const callVariables = {
  CALL_TIMEOUT_MS: variable(wholeNumber(100, 3_600_000), '600000', {
    about: 'Longest upstream attempt, ms.',
    allowed: '100..3600000',
  }),
  LOCK_DURATION_MS: variable(wholeNumber(1_000, 600_000), '60000', {
    about: 'How long a dead worker keeps its calls from the others, ms; longer than any Redis outage to be ridden out.',
    allowed: '1000..600000',
  }),
};
