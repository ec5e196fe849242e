// The worker's variables; the only process.env reader of this app but for file-threads.ts.
import {
  ConfigError,
  optionalVariable,
  readVariables,
  requiredUnless,
  type Values,
  variable,
} from '@darkroom/shared/base/config.ts';
import { callVariables, httpUrl, wholeNumber } from '@darkroom/shared/base/variables.ts';
import { checkedVariables, modelProblems } from '@darkroom/shared/jobs/checked-variables.ts';
import { webhookVariables } from '@darkroom/shared/webhooks/secrets.ts';
import { z } from 'zod';
import { apiKey, keysFile } from './keys-file.ts';

export const workerVariables = {
  ...checkedVariables,
  ...webhookVariables,
  PORT: optionalVariable(wholeNumber(0, 65_535), {
    about: 'Port of `/livez` and `/metrics`; 0 = any, unset = none.',
    allowed: '0..65535',
  }),
  OPENAI_API_KEY: requiredUnless('OPENAI_KEYS_FILE', apiKey, {
    about: 'The key images are bought with; not used when `OPENAI_KEYS_FILE` is set.',
    allowed: 'an OpenAI API key',
    secret: true,
  }),
  OPENAI_KEYS_FILE: optionalVariable(keysFile, {
    about:
      'File with several upstream keys: `[{"name": "team-a", "key": "sk-…", "base_url": "https://…/v1", "limits": {…}}]`; `base_url` is by default `OPENAI_BASE_URL`, `limits` is `LIMITS`. Work goes to the key that can take it soonest.',
    allowed: 'path of a JSON file; names: 1 to 40 lower-case letters, digits and `-`',
  }),
  OPENAI_BASE_URL: variable(z.string().regex(/^https?:\/\//, 'not an http(s) URL'), 'https://api.openai.com/v1', {
    about: 'The upstream, `/v1` included.',
    allowed: 'http://… or https://…',
  }),
  PUBLIC_URL: optionalVariable(httpUrl, {
    about: 'Address callers reach the API under. Default: the one the API has recorded in Redis.',
    allowed: 'http://… or https://…',
  }),
  WORKER_CONCURRENCY: variable(wholeNumber(1, 1_000), '20', {
    about: 'Calls under way in one process, all models together.',
    allowed: '1..1000',
  }),
  MAX_ATTEMPTS: variable(wholeNumber(1, 100), '5', {
    about: 'Attempts of one call that may fail with a 5xx or before sending.',
    allowed: '1..100',
  }),
  ...callVariables,
  SHUTDOWN_TIMEOUT_MS: variable(wholeNumber(0, 3_600_000), '150000', {
    about: 'How long SIGTERM waits for calls under way, ms.',
    allowed: '0..3600000',
  }),
  SPOOL_DIR: variable(z.string().min(1), './data/spool', {
    about:
      'Folder for paid images while the image storage is away; the workers of one host share it, and installations may.',
    allowed: 'a path on a local disk',
  }),
  SPOOL_MAX_BYTES: variable(wholeNumber(1, 1_000_000_000_000_000), '1073741824', {
    about:
      'Most bytes an installation has in `SPOOL_DIR`; a call starts only with room for its images, all workers of the host together: 4 bytes for ' +
      'each pixel, 8 MiB for an image whose size is not given. The default is enough for 115 such images at once.',
    allowed: 'a whole number from 1',
  }),
  ON_UNKNOWN: variable(z.enum(['retry', 'fail']), 'retry', {
    about:
      'A call whose outcome is unknown may have been paid: `retry` makes it once more, `fail` never. For jobs without `on_unknown`.',
    allowed: '`retry` or `fail`',
  }),
};

export type WorkerConfig = Values<typeof workerVariables>;

/** Throws ConfigError naming every wrong variable. */
export function readConfig(): WorkerConfig {
  const values = readVariables(workerVariables, process.env);
  const problems = modelProblems(values);
  if (problems.length > 0) throw new ConfigError(problems);
  return values;
}
