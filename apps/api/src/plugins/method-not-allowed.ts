// 405 with `Allow` for a known path asked with another method. The routes are collected as they are registered, and each
// path gets a route for the methods it has not.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { HTTPMethods } from 'fastify';
import type { App } from '../http/app.ts';

const METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

/** Call before the first route; call what it returns after the last. Only documented routes are looked at. */
export function collectMethods(app: App): () => void {
  const allowed = new Map<string, Set<string>>();
  app.addHook('onRoute', ({ url, method, config }) => {
    if (config?.operation === undefined) return;
    const methods = allowed.get(url) ?? new Set();
    for (const name of [method].flat()) methods.add(name);
    allowed.set(url, methods);
  });
  return () => {
    for (const [url, methods] of allowed) refuseOthers(app, url, methods);
  };
}

function refuseOthers(app: App, url: string, allowed: ReadonlySet<string>): void {
  const allow = METHODS.filter((method) => allowed.has(method)).join(', ');
  app.route({
    url,
    method: METHODS.filter((method) => !allowed.has(method)),
    exposeHeadRoute: false,
    onRequest: async (request) => {
      throw new ServiceError(
        'method_not_allowed',
        `Not allowed to ${request.method} on ${request.url.split('?')[0]}. (HINT: Perhaps you meant to use one of: ${allow}.)`,
        { headers: { allow } },
      );
    },
    handler: async () => undefined,
  });
}
