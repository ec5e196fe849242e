// How a job is answered: its public form with links to its images, found only by the account it belongs to.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { isJobId } from '@darkroom/shared/base/ids.ts';
import { buildLinkMaker } from '@darkroom/shared/jobs/links.ts';
import { type PublicJob, toPublicJob } from '@darkroom/shared/jobs/public-job.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';

/** When to ask again, s: a job waits for its lane first, an image then takes 10 to 60 s. */
const RETRY_AFTER_SECONDS = { queued: 5, in_progress: 3 };

export interface JobReplies {
  /** The job an account asks for. Throws ServiceError `not_found`, the same for missing jobs and those of others. */
  find(request: FastifyRequest): Promise<JobRecord>;
  readonly toPublic: (record: JobRecord) => PublicJob;
  /** 202 with where and when to look again. */
  accepted(reply: FastifyReply, record: JobRecord): PublicJob;
  /**
   * The job as it is when it ends, or after `seconds`, or when the caller leaves or the process stops. Rejects when
   * Redis goes away meanwhile.
   */
  wait(record: JobRecord, seconds: number, reply: FastifyReply): Promise<JobRecord>;
}

type ReplyDeps = Pick<Deps, 'config' | 'signingSecret' | 'redis' | 'keys' | 'waiter'>;

export function buildJobReplies(deps: ReplyDeps): JobReplies {
  const { config } = deps;
  const linkOf = buildLinkMaker({
    storagePublicUrl: config.STORAGE_PUBLIC_URL,
    publicUrl: config.PUBLIC_URL,
    secret: deps.signingSecret,
    ttlMs: config.IMAGE_URL_TTL,
  });
  const base = new URL(deps.config.PUBLIC_URL).pathname.replace(/\/$/, '');
  const toPublic = (record: JobRecord): PublicJob => toPublicJob(record, linkOf);
  return {
    toPublic,
    async find(request) {
      const { id } = request.params as { id: string };
      const record = isJobId(id) ? await readJob(deps.redis, deps.keys, id) : null;
      if (record === null || record.spec.account !== request.account) throw noSuchJob(id);
      request.jobId = id;
      return record;
    },
    accepted(reply, record) {
      const retryAfter = record.status === 'queued' ? RETRY_AFTER_SECONDS.queued : RETRY_AFTER_SECONDS.in_progress;
      void reply.code(202).headers({ location: `${base}/v1/jobs/${record.id}`, 'retry-after': String(retryAfter) });
      return toPublic(record);
    },
    async wait(record, seconds, reply) {
      if (seconds === 0) return record;
      const gone = new AbortController();
      const leave = (): void => gone.abort();
      reply.raw.once('close', leave);
      const now = await deps.waiter.wait(record.id, seconds * 1_000, gone.signal);
      reply.raw.off('close', leave);
      return now ?? record;
    },
  };
}

export function noSuchJob(id: string): ServiceError {
  return new ServiceError('not_found', `No job found with id '${id.slice(0, 64)}'.`, { param: 'id' });
}
