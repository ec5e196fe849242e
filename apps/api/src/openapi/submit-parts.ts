// What all routes that submit something share in the OpenAPI document: how a repeated request is known.
import type { Header, Parameter } from './operation.ts';

export const header = (description: string, example: string | number): Header => ({
  description,
  schema: { type: typeof example === 'number' ? 'integer' : 'string' },
  example,
});

/** `what` it makes: a job, a batch. */
export const idempotencyKey = (what: string): Parameter => ({
  name: 'Idempotency-Key',
  in: 'header',
  description: `1 to 255 visible ASCII characters. The same key and body give the same ${what}, for at least 24 hours.`,
  schema: { type: 'string', minLength: 1, maxLength: 255, examples: ['order-42'] },
});

/** OpenAI's SDKs send it by themselves. */
export const retryCount = (what: string): Parameter => ({
  name: 'X-Stainless-Retry-Count',
  in: 'header',
  description:
    `Sent by OpenAI's SDKs with their own retries. From 1 on, a request without an Idempotency-Key gets the ${what} that ` +
    'an earlier try with the same body has made and whose final reply was not written yet; else it makes a new one.',
  schema: { type: 'integer', minimum: 0, examples: [1] },
});

export const EARLIER_HEADERS: Readonly<Record<string, Header>> = {
  'idempotent-replayed': header('`true` when the Idempotency-Key had been used for this before.', 'true'),
  'x-darkroom-joined': header('`true` when an earlier try of the same client had made this.', 'true'),
};

export const DEPRECATION_HEADERS: Readonly<Record<string, Header>> = {
  sunset: header('The day the model asked for ends or has ended (RFC 8594).', 'Tue, 12 May 2026 00:00:00 GMT'),
  deprecation: header('When its end was announced (RFC 9745).', '@1780358400'),
};
