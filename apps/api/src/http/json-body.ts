// JSON bodies: UTF-8, parsed as they stand. Nothing is dropped, coerced or filled in; what they mean is checked by the
// route.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { FastifyRequest } from 'fastify';

export const BODY_LIMIT_BYTES = 1_048_576;

/** Throws ServiceError `unsupported_media_type` for a compressed body. */
export function assertPlain({ headers }: FastifyRequest): void {
  if ((headers['content-encoding'] ?? 'identity') === 'identity') return;
  throw new ServiceError('unsupported_media_type', 'Send the body without content-encoding.');
}

/** Keeps nothing between two bodies; making one takes as long as parsing a small body. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

/** An empty body is `undefined`. Throws ServiceError `invalid_json`. */
export function parseJson(body: Buffer): unknown {
  try {
    const text = utf8.decode(body);
    return text.trim() === '' ? undefined : (JSON.parse(text) as unknown);
  } catch (error) {
    throw new ServiceError(
      'invalid_json',
      'We could not parse the JSON body of your request. It must be JSON in UTF-8.',
      { cause: error },
    );
  }
}

export function bodyTooLarge(limitBytes: number): ServiceError {
  return new ServiceError('request_too_large', `The request body is larger than ${limitBytes} bytes.`);
}
