// Bodies: JSON in UTF-8 up to 1 MiB, parsed as it stands. Nothing is dropped, coerced or filled in; what it means is
// checked by the route.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { App } from '../http/app.ts';

export const BODY_LIMIT_BYTES = 1_048_576;

/** An empty body is `undefined`. Throws ServiceError `invalid_json` and `unsupported_media_type`. */
export function registerJsonBody(app: App): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') {
      done(new ServiceError('unsupported_media_type', 'Send the body without content-encoding.'));
      return;
    }
    try {
      done(null, parseJson(body as Buffer));
    } catch (error) {
      done(
        new ServiceError(
          'invalid_json',
          'We could not parse the JSON body of your request. It must be JSON in UTF-8.',
          { cause: error },
        ),
      );
    }
  });
}

function parseJson(body: Buffer): unknown {
  const text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  return text.trim() === '' ? undefined : (JSON.parse(text) as unknown);
}
