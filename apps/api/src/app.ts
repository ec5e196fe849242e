// The HTTP application: what happens to every request, then the routes. Knows nothing of processes and signals.
import { newRequestId } from '@darkroom/shared/base/ids.ts';
import Fastify, { type FastifyBaseLogger, LogController } from 'fastify';
import type { Deps } from './deps.ts';
import type { App } from './http/app.ts';
import { registerAuth } from './plugins/auth.ts';
import { answerBrokenRequest, registerErrors, sendError } from './plugins/errors.ts';
import { BODY_LIMIT_BYTES, registerJsonBody } from './plugins/json-body.ts';
import { collectMethods } from './plugins/method-not-allowed.ts';
import { collectOperations } from './plugins/openapi.ts';
import { registerRequestLog } from './plugins/request-log.ts';
import { registerStopping } from './plugins/stopping.ts';
import { registerHealth } from './routes/health.ts';
import { registerImageContent } from './routes/images-content.ts';
import { registerJobActions } from './routes/job-actions.ts';
import { registerJobs } from './routes/jobs.ts';
import { registerMetrics } from './routes/metrics.ts';
import { registerModels } from './routes/models.ts';

/** A request has to be here within this time; the reply may take as long as a caller may wait. */
const REQUEST_TIMEOUT_MS = 60_000;

export async function buildApp(deps: Deps): Promise<App> {
  const loggerInstance: FastifyBaseLogger = deps.logger;
  const app: App = Fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    requestIdHeader: false,
    genReqId: newRequestId,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => void sendError(deps, error, request, reply),
    clientErrorHandler: answerBrokenRequest,
  });
  registerRequestLog(app, deps);
  registerStopping(app, deps);
  registerErrors(app, deps);
  registerAuth(app, deps);
  registerJsonBody(app);
  const documentRoutes = collectOperations(app, deps.config.PUBLIC_URL);
  const refuseOtherMethods = collectMethods(app);

  registerJobs(app, deps);
  registerJobActions(app, deps);
  registerImageContent(app, deps);
  registerModels(app, deps);
  registerHealth(app, deps);
  registerMetrics(app, deps);

  await documentRoutes();
  refuseOtherMethods();
  return app;
}
