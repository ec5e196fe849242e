// Links to one image that need no API key: an expiry and an HMAC over image and expiry, in the query.
import { createHmac, timingSafeEqual } from 'node:crypto';

export interface SignOptions {
  readonly publicUrl: string;
  readonly imageId: string;
  readonly secret: string;
  /** Unix seconds. */
  readonly expiresAtSeconds: number;
}

export interface LinkToVerify {
  readonly imageId: string;
  /** As they stood in the query. */
  readonly exp: string;
  readonly sig: string;
  readonly secret: string;
  readonly nowSeconds: number;
}

/** The first line keeps these signatures apart from any other use of the same secret. */
function signatureOf(imageId: string, exp: string, secret: string): string {
  return createHmac('sha256', secret).update(`darkroom image link 1\n${imageId}\n${exp}`).digest('base64url');
}

/** `PUBLIC_URL/v1/images/{id}/content?exp=…&sig=…`. Throws TypeError without a secret or a whole, positive expiry. */
export function signImageUrl({ publicUrl, imageId, secret, expiresAtSeconds }: SignOptions): string {
  if (secret === '') throw new TypeError('links cannot be signed without a secret');
  if (!Number.isSafeInteger(expiresAtSeconds) || expiresAtSeconds <= 0) {
    throw new TypeError(`not a time in whole unix seconds: ${expiresAtSeconds}`);
  }
  const exp = String(expiresAtSeconds);
  const path = `/v1/images/${encodeURIComponent(imageId)}/content`;
  return `${publicUrl.replace(/\/+$/, '')}${path}?exp=${exp}&sig=${signatureOf(imageId, exp, secret)}`;
}

/** `expired` only for a link that we signed. Takes the same time whatever is wrong with the signature. */
export function verifyImageLink({
  imageId,
  exp,
  sig,
  secret,
  nowSeconds,
}: LinkToVerify): 'valid' | 'expired' | 'invalid' {
  if (secret === '' || !/^[1-9]\d{0,15}$/.test(exp)) return 'invalid';
  const expected = Buffer.from(signatureOf(imageId, exp, secret));
  const given = Buffer.from(sig);
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return 'invalid';
  return Number(exp) > nowSeconds ? 'valid' : 'expired';
}
