// One exchange of `/v1/images/*`: a job is submitted like any other and waited for, then answered as OpenAI would. The
// client decides how it waits: until SYNC_TIMEOUT_MS, then it is told to ask again and joins its job; or, by `Prefer`, not
// at all or for some seconds, then it gets the job itself.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { hasEnded } from '@darkroom/shared/jobs/record.ts';
import type { Operation } from '@darkroom/shared/models/rules.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import { answer, type Client, watchClient } from './client.ts';
import { deprecationOf } from './deprecation.ts';
import { type Submitted, sayEarlier } from './earlier.ts';
import { allowSilence } from './forms.ts';
import { readImageOrder } from './image-order.ts';
import { buildImagesReplies } from './images-reply.ts';
import { buildJobReplies, noSuchJob } from './job-reply.ts';
import type { LargeBodies } from './large-bodies.ts';
import { jobHeaders } from './outcome-headers.ts';
import { type Preference, parsePrefer } from './prefer.ts';
import { readQuery } from './query.ts';
import { submitOnce } from './submit.ts';
import { assertNotPaused } from './upstream-pause.ts';

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/** The handler of each operation's route. */
export function buildImagesExchange(deps: Deps, largeBodies: LargeBodies): (operation: Operation) => Handler {
  const jobs = buildJobReplies(deps);
  const images = buildImagesReplies(deps, jobs.toPublic);

  async function submit(request: FastifyRequest, operation: Operation, client: Client, preference: Preference) {
    const order = await readImageOrder(deps, request, operation, client);
    allowSilence(request);
    const assertWanted = isPatient(preference) ? () => assertNotPaused(deps) : async () => undefined;
    try {
      return await submitOnce(deps, request, client, { ...order, assertWanted });
    } finally {
      largeBodies.drop(request);
      await order.release();
    }
  }

  async function replyTo(reply: FastifyReply, client: Client, preference: Preference, submitted: Submitted) {
    const record = await deps.waiter.wait(submitted.id, waitMsOf(preference, deps), client.gone);
    if (record === null) throw noSuchJob(submitted.id);
    sayEarlier(reply, submitted);
    void reply.headers({ ...jobHeaders(record), ...deprecationOf(record, deps) });
    if (hasEnded(record) && !wantsJob(preference)) return images.outcome(reply, client, record);
    if (isPatient(preference)) throw deps.stopping.signal.aborted ? stopping(record.id) : stillRunning(record.id);
    client.getsFinalReply();
    if (preference.applied !== null) void reply.header('preference-applied', preference.applied);
    return jobs.accepted(reply, record, preference.waitSeconds > 0 ? undefined : submitted.ahead);
  }

  return (operation) => async (request, reply) => {
    readQuery(request, { names: [] });
    const client = watchClient(deps, request, reply);
    const preference = parsePrefer(request.headers['prefer'] as string | undefined);
    return answer(client, reply, async () =>
      replyTo(reply, client, preference, await submit(request, operation, client, preference)),
    );
  };
}

/** It waits for the images, however long they take; others take the job instead. */
function isPatient({ isAsync, waitSeconds }: Preference): boolean {
  return !isAsync && waitSeconds === 0;
}

/** It takes the job however soon that ends: its caller reads a job, not images. */
function wantsJob({ isAsync, waitSeconds }: Preference): boolean {
  return isAsync && waitSeconds === 0;
}

function waitMsOf(preference: Preference, { config }: Pick<Deps, 'config'>): number {
  if (isPatient(preference)) return config.SYNC_TIMEOUT_MS;
  return Math.min(preference.waitSeconds * 1_000, config.SYNC_TIMEOUT_MS);
}

const RETRY = { 'x-should-retry': 'true', 'retry-after': '1' };

function stillRunning(jobId: string): ServiceError {
  const message =
    `Job '${jobId}' is still running, and goes on. Repeat the request as the OpenAI SDKs do by themselves, or ask ` +
    `GET /v1/jobs/${jobId} for it: neither makes another job.`;
  return new ServiceError('job_still_running', message, { headers: RETRY });
}

function stopping(jobId: string): ServiceError {
  const message =
    `This process is stopping; job '${jobId}' goes on. Repeat the request as the OpenAI SDKs do by themselves, or ask ` +
    `GET /v1/jobs/${jobId} for it: neither makes another job.`;
  return new ServiceError('unavailable', message, { headers: RETRY });
}
