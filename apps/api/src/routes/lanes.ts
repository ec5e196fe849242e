// The lanes, for the operator: how each is doing and what holds it up; and the word that it may go on.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { expectedWaitSeconds, toLaneRate } from '@darkroom/shared/lanes/lane-outlook.ts';
import { toPublicLane } from '@darkroom/shared/lanes/public-lane.ts';
import { readLanes } from '@darkroom/shared/lanes/read-lanes.ts';
import { resumeLane } from '@darkroom/shared/lanes/resume-lane.ts';
import { LANES, nearestNames } from '@darkroom/shared/models/rules.ts';
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { assertNothingAsked } from '../http/empty-request.ts';
import { toListReply } from '../http/list-reply.ts';
import { readQuery } from '../http/query.ts';
import { listLanesOperation, resumeLaneOperation } from '../openapi/lane-operations.ts';

export function registerLanes(app: App, deps: Pick<Deps, 'redis' | 'keys' | 'logger'>): void {
  const { redis, keys, logger } = deps;

  const show = async (lanes: readonly string[]) => {
    const states = await readLanes(redis, keys, lanes);
    return states.map((state) => {
      const rate = toLaneRate(state, Date.now());
      return toPublicLane(state, expectedWaitSeconds(rate, state.ahead, Date.now()));
    });
  };

  app.route({
    method: 'GET',
    url: '/v1/lanes',
    config: { access: 'admin', operation: listLanesOperation },
    handler: async (request) => {
      readQuery(request, { names: [] });
      return toListReply(await show(LANES), false);
    },
  });

  app.route({
    method: 'POST',
    url: '/v1/lanes/:id/resume',
    config: { access: 'admin', operation: resumeLaneOperation },
    handler: async (request) => {
      assertNothingAsked(request);
      const lane = laneIn(request);
      const ended = await resumeLane(redis, keys, lane);
      if (ended > 0) logger.info({ lane, ended }, 'lane resumed by hand');
      const [state] = await show([lane]);
      return state;
    },
  });
}

/** Throws ServiceError `not_found` with the nearest names. */
function laneIn(request: FastifyRequest): string {
  const { id } = request.params as { id: string };
  if (LANES.includes(id)) return id;
  const shown = id.slice(0, 64);
  const near = nearestNames(id, LANES).map((name) => `'${name}'`);
  const hint = near.length === 0 ? '' : ` Did you mean ${near.join(', ')}?`;
  throw new ServiceError('not_found', `No lane found with id '${shown}'.${hint}`, { param: 'id' });
}
