// Signs webhooks as Standard Webhooks 1.0.0 wants it (v1, HMAC-SHA256; libraries.md 1), so that the receivers' libraries
// and `openai.webhooks.unwrap` accept them.
import { createHmac } from 'node:crypto';

export interface ToSign {
  /** The event's id: the same on each try, so that receivers can drop repeats. */
  readonly id: string;
  /** Of this try, unix seconds; receivers refuse what is more than 5 minutes off. */
  readonly timestampSeconds: number;
  /** The very text that is sent. */
  readonly body: string;
}

/** The three headers, with one signature for each secret. Throws TypeError without secrets or with `.` in the id. */
export function signatureHeaders(secrets: readonly Buffer[], { id, timestampSeconds, body }: ToSign) {
  if (secrets.length === 0) throw new TypeError('a webhook cannot be signed without a secret');
  if (id.includes('.')) throw new TypeError('a webhook id must not hold a full stop: signatures could be moved');
  const signed = `${id}.${timestampSeconds}.${body}`;
  const signatures = secrets.map((secret) => `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`);
  return {
    'webhook-id': id,
    'webhook-timestamp': String(timestampSeconds),
    'webhook-signature': signatures.join(' '),
  };
}
