// OpenAI's Images API: generations, edits, variations. Code written for it works here with another base URL.
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { registerForms } from '../http/forms.ts';
import { buildImagesExchange } from '../http/images-exchange.ts';
import { LARGE_BODY_BYTES, LARGE_BODY_TIME_MS, type LargeBodies } from '../http/large-bodies.ts';
import { editImagesOperation, generateImagesOperation, variateImageOperation } from '../openapi/images-operations.ts';

export async function registerImages(app: App, deps: Deps, largeBodies: LargeBodies): Promise<void> {
  const exchangeOf = buildImagesExchange(deps, largeBodies);

  app.route({
    method: 'POST',
    url: '/v1/images/generations',
    config: { access: 'account', operation: generateImagesOperation },
    handler: exchangeOf('generation'),
  });

  const withImages = {
    bodyLimit: LARGE_BODY_BYTES,
    config: { access: 'account', isStreamed: true, bodyTimeMs: LARGE_BODY_TIME_MS },
  } as const;
  const registerEdits = (scope: App): void => {
    scope.route({
      ...withImages,
      method: 'POST',
      url: '/v1/images/edits',
      config: { ...withImages.config, operation: editImagesOperation },
      handler: exchangeOf('edit'),
    });
    scope.route({
      ...withImages,
      method: 'POST',
      url: '/v1/images/variations',
      config: { ...withImages.config, operation: variateImageOperation },
      handler: exchangeOf('variation'),
    });
  };
  await registerForms(app, registerEdits, (scope) => largeBodies.register(scope));
}
