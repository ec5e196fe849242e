// The fields around OpenAI's body, for the OpenAPI document. They describe; envelope.ts checks.
import * as z from 'zod';
import {
  DEFAULT_EXPIRES_AFTER_SECONDS,
  MAX_EXPIRES_AFTER_SECONDS,
  METADATA_LIMITS,
  ON_UNKNOWN,
  PRIORITIES,
} from './envelope.ts';
import { JOB_EVENTS, LONGEST_WEBHOOK_URL } from './webhook.ts';

const webhook = z.strictObject({
  url: z.string().min(1).max(LONGEST_WEBHOOK_URL).describe('http or https; not a private address.'),
  events: z
    .array(z.enum(JOB_EVENTS))
    .min(1)
    .max(JOB_EVENTS.length)
    .nullish()
    .describe('Which events are sent. Default: those that end the job.'),
});

/** The envelope of every submitting route. */
export const envelopeShape = {
  webhook: webhook.nullish().describe('Who hears of the job, signed as Standard Webhooks asks.'),
  metadata: z
    .record(z.string().max(METADATA_LIMITS.key), z.string().max(METADATA_LIMITS.value).nullable())
    .refine((pairs) => Object.keys(pairs).length <= METADATA_LIMITS.pairs)
    .nullish()
    .describe(`At most ${METADATA_LIMITS.pairs} pairs and ${METADATA_LIMITS.bytes} bytes of JSON.`),
  priority: z.enum(PRIORITIES).nullish().describe('Default normal; high on `/v1/images/*`, low in batches.'),
  expires_after: z
    .int()
    .min(1)
    .max(MAX_EXPIRES_AFTER_SECONDS)
    .nullish()
    .describe(`Seconds until a call not yet sent is given up. Default ${DEFAULT_EXPIRES_AFTER_SECONDS}.`),
  on_unknown: z
    .enum(ON_UNKNOWN)
    .nullish()
    .describe(
      'A call whose outcome is unknown may have been charged: `retry` makes it once more, `fail` never. Default: what the operator has set.',
    ),
};
