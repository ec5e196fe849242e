// The HTTP application: what happens to every request, then the routes. Knows nothing of processes and signals.
import { newRequestId } from '@darkroom/shared/base/ids.ts';
import Fastify, { type FastifyBaseLogger, LogController } from 'fastify';
import type { Deps } from './deps.ts';
import type { App } from './http/app.ts';
import { EventStreams } from './http/event-streams/event-streams.ts';
import { BODY_LIMIT_BYTES } from './http/json-body.ts';
import { buildLargeBodies } from './http/large-bodies.ts';
import { registerAuth } from './plugins/auth.ts';
import { registerBodyTime } from './plugins/body-time.ts';
import { answerBrokenRequest, registerErrors, sendError } from './plugins/errors.ts';
import { registerJsonBody } from './plugins/json-body.ts';
import { registerLinger } from './plugins/linger.ts';
import { collectMethods } from './plugins/method-not-allowed.ts';
import { collectOperations } from './plugins/openapi.ts';
import { registerRequestLog } from './plugins/request-log.ts';
import { registerStopping } from './plugins/stopping.ts';
import { registerBatches } from './routes/batches.ts';
import { registerEvents } from './routes/events.ts';
import { registerFiles } from './routes/files.ts';
import { registerHealth } from './routes/health.ts';
import { registerImages } from './routes/images.ts';
import { registerImageContent } from './routes/images-content.ts';
import { registerJobActions } from './routes/job-actions.ts';
import { registerJobs } from './routes/jobs.ts';
import { registerLanes } from './routes/lanes.ts';
import { registerMetrics } from './routes/metrics.ts';
import { registerModels } from './routes/models.ts';
import { registerWebhookDeliveries } from './routes/webhook-deliveries.ts';

/**
 * A request has to be here within this time, most of them much sooner (body-time.ts); the reply may take as long as a
 * caller may wait.
 */
const REQUEST_TIMEOUT_MS = 3_600_000;

export async function buildApp(deps: Deps): Promise<App> {
  const loggerInstance: FastifyBaseLogger = deps.logger;
  const app: App = Fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    // One made for each request would have its id redacted like a line, and nobody writes to it (3 % of accepting a job).
    childLoggerFactory: (logger) => logger,
    requestIdHeader: false,
    genReqId: newRequestId,
    bodyLimit: BODY_LIMIT_BYTES,
    requestTimeout: REQUEST_TIMEOUT_MS,
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => void sendError(deps, error, request, reply),
    clientErrorHandler: answerBrokenRequest,
  });
  registerRequestLog(app, deps);
  registerLinger(app);
  registerStopping(app, deps);
  registerErrors(app, deps);
  registerAuth(app, deps);
  registerBodyTime(app);
  registerJsonBody(app);
  const documentRoutes = collectOperations(app, deps.config.PUBLIC_URL);
  const refuseOtherMethods = collectMethods(app);
  const streams = new EventStreams(deps);

  const largeBodies = buildLargeBodies();
  await registerJobs(app, deps, largeBodies);
  registerJobActions(app, deps);
  registerEvents(app, deps, streams);
  await registerImages(app, deps, largeBodies);
  registerImageContent(app, deps);
  registerBatches(app, deps);
  await registerFiles(app, deps);
  registerWebhookDeliveries(app, deps);
  registerModels(app, deps);
  registerLanes(app, deps);
  registerHealth(app, deps);
  registerMetrics(app, deps);

  await documentRoutes();
  refuseOtherMethods();
  return app;
}
