// The API's configuration, and the only place in this app that knows environment variables. README's table is made from
// `apiVariables`.
import { type AccountKey, hashSecret, parseApiKeys } from '@darkroom/shared/accounts/accounts.ts';
import { ConfigError, optionalVariable, readVariables, type Values, variable } from '@darkroom/shared/base/config.ts';
import { boolean, durationMs, httpUrl, wholeNumber } from '@darkroom/shared/base/variables.ts';
import { checkedVariables, modelProblems } from '@darkroom/shared/jobs/checked-variables.ts';
import { webhookVariables } from '@darkroom/shared/webhooks/secrets.ts';
import { z } from 'zod';
import { isLoopback } from './http/loopback.ts';

const apiKeys: z.ZodType<readonly AccountKey[], string> = z.string().transform((text, context) => {
  const parsed = parseApiKeys(text);
  if (parsed.ok) return parsed.keys;
  for (const message of parsed.problems) context.addIssue({ code: 'custom', message });
  return z.NEVER;
});

const adminKeyHash = z
  .string()
  .regex(/^[\x21-\x7e]+$/, 'not visible ASCII characters')
  .transform(hashSecret);

const finiteDurationMs = durationMs.refine((ms) => Number.isFinite(ms) && ms > 0, 'has to end');

export const apiVariables = {
  ...checkedVariables,
  ...webhookVariables,
  PORT: variable(wholeNumber(1, 65_535), '3000', { about: 'Port the API listens on.', allowed: 'a port, 1 to 65535' }),
  PUBLIC_URL: optionalVariable(httpUrl, {
    about: 'Address callers reach the API under; image links begin with it. Default: `http://localhost:$PORT`.',
    allowed: 'http://… or https://…',
  }),
  AUTH: variable(z.enum(['keys', 'off']), 'keys', {
    about: 'Who may call: holders of an API key, or everyone on this machine (`off`, only with a loopback HOST).',
    allowed: '`keys` or `off`',
  }),
  API_KEYS: optionalVariable(apiKeys, {
    about: 'API keys and the accounts they belong to: `name:dk_…,name:dk_…`.',
    allowed: 'name:dk_… pairs separated by commas',
    secret: true,
  }),
  ADMIN_KEY: optionalVariable(adminKeyHash, {
    about: 'Bearer key of the admin routes; when set, `/metrics` needs it too.',
    allowed: 'visible ASCII characters; use 16 or more',
    secret: true,
  }),
  IMAGE_URL_TTL: variable(finiteDurationMs, '24h', {
    about: 'How long an image link holds.',
    allowed: 'a duration: `90s`, `12h`, `30d`',
  }),
  MAX_QUEUE_DEPTH: variable(wholeNumber(1, 100_000_000), '100000', {
    about:
      'Calls that may be waiting or under way per model, those of batches apart; further jobs get 429 `queue_full`.',
    allowed: 'a whole number from 1',
  }),
  MAX_ACCOUNT_QUEUE_DEPTH: variable(wholeNumber(1, 100_000_000), '50000', {
    about: 'The same for the calls of one account per model; here batches are counted, but never refused.',
    allowed: 'a whole number from 1',
  }),
  SYNC_TIMEOUT_MS: variable(wholeNumber(1, 3_600_000), '280000', {
    about: 'How long `/v1/images/*` waits for its job, ms; then 504 `job_still_running`, and the job goes on.',
    allowed: 'a whole number from 1 to 3600000',
  }),
  MAX_EVENT_STREAMS: variable(wholeNumber(1, 1_000_000), '2000', {
    about: 'Event streams an account may hold open at one API process; further ones get 429 `too_many_streams`.',
    allowed: 'a whole number from 1',
  }),
  LOG_PROMPTS: variable(boolean, 'false', { about: 'Log the prompts of accepted jobs.', allowed: '`true` or `false`' }),
};

type ReadValues = Values<typeof apiVariables>;

export type ApiConfig = Omit<ReadValues, 'PUBLIC_URL' | 'API_KEYS'> & {
  readonly PUBLIC_URL: string;
  readonly API_KEYS: readonly AccountKey[];
};

/** Throws ConfigError with every problem found. */
export function readConfig(env: Readonly<Record<string, string | undefined>>): ApiConfig {
  const values = readVariables(apiVariables, env);
  const problems = [...authProblems(values), ...modelProblems(values), ...webhookProblems(values)];
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze({
    ...values,
    PUBLIC_URL: values.PUBLIC_URL ?? `http://localhost:${values.PORT}`,
    API_KEYS: values.API_KEYS ?? [],
  });
}

function authProblems({ AUTH, HOST, API_KEYS, ADMIN_KEY }: ReadValues): string[] {
  if (AUTH === 'off' && !isLoopback(HOST)) {
    return [`AUTH=off needs a loopback HOST (127.0.0.1, ::1 or localhost); HOST was ${JSON.stringify(HOST)}`];
  }
  if (AUTH === 'keys' && API_KEYS === null && ADMIN_KEY === null) {
    return ['AUTH=keys needs API_KEYS or ADMIN_KEY: nobody could call otherwise (AUTH=off is for one machine alone)'];
  }
  return [];
}

/** Under AUTH=keys a secret for an account without a key is a typo; that account's webhooks would be refused. */
function webhookProblems({ AUTH, API_KEYS, WEBHOOK_SECRETS }: ReadValues): string[] {
  const known = new Set(API_KEYS?.map(({ account }) => account));
  const strangers = AUTH === 'keys' ? [...(WEBHOOK_SECRETS?.keys() ?? [])].filter((name) => !known.has(name)) : [];
  return strangers.map((name) => `WEBHOOK_SECRETS names ${JSON.stringify(name)}, which API_KEYS does not`);
}
