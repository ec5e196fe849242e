// The `Idempotency-Key` header: checked, hashed, and bound to what was asked, so that a key used for another request is
// noticed. Keys and bodies themselves are not kept.
import { createHash } from 'node:crypto';
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { Idempotency } from '@darkroom/shared/jobs/steps.ts';

const KEY = /^[\x21-\x7e]{1,255}$/;

/** null without the header. `route` and `body` make the fingerprint. Throws ServiceError `invalid_value`. */
export function readIdempotency(
  header: string | readonly string[] | undefined,
  route: string,
  body: unknown,
): Idempotency | null {
  if (header === undefined) return null;
  if (typeof header !== 'string' || !KEY.test(header)) {
    throw new ServiceError('invalid_value', 'Idempotency-Key must be 1 to 255 visible ASCII characters.', {
      param: 'Idempotency-Key',
    });
  }
  return { keyHash: sha256(header), fingerprint: sha256(`${route}\n${canonicalJson(body)}`) };
}

/** JSON that is the same for the same meaning: keys sorted, fields that are null left out. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value ?? null);
  const fields = Object.entries(value)
    .filter(([, field]) => field !== null && field !== undefined)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, field]) => `${JSON.stringify(name)}:${canonicalJson(field)}`);
  return `{${fields.join(',')}}`;
}

function sha256(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
