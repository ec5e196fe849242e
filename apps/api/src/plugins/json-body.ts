// Routes take JSON of up to 1 MiB and nothing else, unless they stand in a scope that says otherwise.
import type { App } from '../http/app.ts';
import { assertPlain, parseJson } from '../http/json-body.ts';

/** An empty body is `undefined`. Throws ServiceError `invalid_json` and `unsupported_media_type`. */
export function registerJsonBody(app: App): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      assertPlain(request);
      done(null, parseJson(body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
}
