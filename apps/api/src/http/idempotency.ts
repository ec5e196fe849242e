// The `Idempotency-Key` header: checked, hashed, and bound to what was asked, so that a key used for another request is
// noticed. Keys themselves are not kept.
import { createHash } from 'node:crypto';
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { Idempotency } from '@darkroom/shared/jobs/steps.ts';

const KEY = /^[\x21-\x7e]{1,255}$/;

/** null without the header. `fingerprint`: of what was asked. Throws ServiceError `invalid_value`. */
export function readIdempotency(
  header: string | readonly string[] | undefined,
  fingerprint: string,
): Idempotency | null {
  if (header === undefined) return null;
  if (typeof header !== 'string' || !KEY.test(header)) {
    throw new ServiceError('invalid_value', 'Idempotency-Key must be 1 to 255 visible ASCII characters.', {
      param: 'Idempotency-Key',
    });
  }
  return { keyHash: createHash('sha256').update(header).digest('hex'), fingerprint };
}

export function keyReuse(): ServiceError {
  return new ServiceError('idempotency_key_reuse', 'This Idempotency-Key was used before for another request.', {
    param: 'Idempotency-Key',
  });
}
