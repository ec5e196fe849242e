// Event streams of a job, of a batch and of a whole account.
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { buildBatchReplies } from '../http/batch-reply.ts';
import { EVENT_PARAMETERS, parseEventFilter } from '../http/event-streams/event-filter.ts';
import type { EventStreams, Watch } from '../http/event-streams/event-streams.ts';
import { LAST_EVENT_ID, readLastEventId } from '../http/event-streams/last-event-id.ts';
import { watchAccount, watchBatch, watchJob } from '../http/event-streams/watches.ts';
import { buildJobReplies } from '../http/job-reply.ts';
import { readQuery } from '../http/query.ts';
import { streamBatchEventsOperation } from '../openapi/batch-operations.ts';
import { streamEventsOperation, streamJobEventsOperation } from '../openapi/event-operations.ts';
import type { Operation } from '../openapi/operation.ts';

export function registerEvents(app: App, deps: Deps, streams: EventStreams): void {
  const replies = buildJobReplies(deps);
  const batches = buildBatchReplies(deps);

  /** The stream of one job or batch. */
  const streamOne = (
    url: string,
    operation: Operation,
    watch: (request: FastifyRequest, id: string) => Watch,
  ): void => {
    app.get(url, { exposeHeadRoute: false, config: { access: 'account', operation } }, async (request, reply) => {
      const lastEventId = readLastEventId(request, readQuery(request, { names: [LAST_EVENT_ID] }));
      const { id } = request.params as { id: string };
      return streams.open(request, reply, lastEventId, watch(request, id));
    });
  };

  streamOne('/v1/jobs/:id/events', streamJobEventsOperation, (request, id) =>
    watchJob(id, () => replies.find(request), replies.showAll),
  );

  streamOne('/v1/batches/:id/events', streamBatchEventsOperation, (request, id) =>
    watchBatch(id, () => batches.find(request)),
  );

  app.get(
    '/v1/events',
    { exposeHeadRoute: false, config: { access: 'account', operation: streamEventsOperation } },
    async (request, reply) => {
      const query = readQuery(request, EVENT_PARAMETERS);
      const filter = parseEventFilter(query);
      return streams.open(
        request,
        reply,
        readLastEventId(request, query),
        watchAccount(deps, request.account, filter, replies.showAll),
      );
    },
  );
}
