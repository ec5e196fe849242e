// `/openapi.json` and the reference page at `/docs`. The document is made from the operations routes carry in their
// `config`; the page's files come from this process alone, under a policy that lets no other host in.
import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { App } from '../http/app.ts';
import { buildDocument, type DocumentedRoute } from '../openapi/document.ts';
import { docsOperation, documentOperation, rootOperation } from '../openapi/service-operations.ts';

const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; " +
  "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** Call before the first route; call what it returns after the last. */
export function collectOperations(app: App, publicUrl: string): () => Promise<void> {
  const routes: DocumentedRoute[] = [];
  app.addHook('onRoute', ({ url, method, config, exposeHeadRoute }) => {
    const operation = config?.operation;
    if (operation === undefined) return;
    const isAutomaticHead = method === 'HEAD' && exposeHeadRoute === undefined;
    if (!isAutomaticHead) for (const name of [method].flat()) routes.push({ url, method: name, operation });
  });
  return () => registerDocument(app, routes, publicUrl);
}

async function registerDocument(app: App, routes: readonly DocumentedRoute[], publicUrl: string): Promise<void> {
  app.get('/', { config: { operation: rootOperation } }, async (_request, reply) => reply.redirect('/docs', 302));
  app.get('/openapi.json', { config: { operation: documentOperation } }, async () => document);
  const document = buildDocument([...routes, { url: '/docs', method: 'GET', operation: docsOperation }], publicUrl);
  await app.register(swagger, { mode: 'static', specification: { document: document as never } });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: CONTENT_SECURITY_POLICY,
    theme: { title: 'Darkroom API' },
    uiConfig: {
      layout: 'BaseLayout',
      docExpansion: 'list',
      defaultModelsExpandDepth: 0,
      displayRequestDuration: true,
      validatorUrl: null,
    },
  });
}
