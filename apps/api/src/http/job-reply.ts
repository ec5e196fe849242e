// How a job is answered: its public form with links to its images, found only by the account it belongs to.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { isJobId } from '@darkroom/shared/base/ids.ts';
import { buildLinkMaker } from '@darkroom/shared/jobs/links.ts';
import { type PublicJob, type PublicWait, toPublicJob } from '@darkroom/shared/jobs/public-job.ts';
import { hasEnded, type JobRecord } from '@darkroom/shared/jobs/record.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';
import { readJobWaits, toJobWait } from './job-waits.ts';

/** When to ask again at the soonest, s: a job waits for its lane first, an image then takes 10 to 60 s. */
const RETRY_AFTER_SECONDS = { queued: 5, in_progress: 3 };
const LONGEST_RETRY_AFTER_SECONDS = 3_600;

export interface JobReplies {
  /** The job an account asks for. Throws ServiceError `not_found`, the same for missing jobs and those of others. */
  find(request: FastifyRequest): Promise<JobRecord>;
  /** Without its place in the queue: of jobs that have ended, and of what is told as it happens. */
  readonly toPublic: (record: JobRecord) => PublicJob;
  /** With their places in the queue. */
  readonly showAll: (records: readonly JobRecord[]) => Promise<PublicJob[]>;
  /** The same for one. A job that goes on says when to look again. */
  show(reply: FastifyReply, record: JobRecord): Promise<PublicJob>;
  /** 202 with where and when to look again. `ahead`: its position, when it has just been created. */
  accepted(reply: FastifyReply, record: JobRecord, ahead?: number): Promise<PublicJob>;
  /**
   * The job as it is when it ends, or after `seconds`, or when the caller leaves or the process stops. Rejects when
   * Redis goes away meanwhile.
   */
  wait(record: JobRecord, seconds: number, reply: FastifyReply): Promise<JobRecord>;
}

type ReplyDeps = Pick<Deps, 'config' | 'signingSecret' | 'redis' | 'keys' | 'waiter' | 'rateOf' | 'logger'>;

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
  const readWait = async (record: JobRecord): Promise<PublicWait | null> =>
    (await readJobWaits(deps, [record]))[0] ?? null;
  const showOne = (reply: FastifyReply, record: JobRecord, wait: PublicWait | null): PublicJob => {
    if (!hasEnded(record)) void reply.header('retry-after', String(retryAfterOf(record, wait)));
    return toPublicJob(record, linkOf, wait);
  };
  return {
    toPublic,
    async showAll(records) {
      const waits = await readJobWaits(deps, records);
      return records.map((record, index) => toPublicJob(record, linkOf, waits[index] ?? null));
    },
    async show(reply, record) {
      return showOne(reply, record, await readWait(record));
    },
    async find(request) {
      const { id } = request.params as { id: string };
      const record = isJobId(id) ? await readJob(deps.redis, deps.keys, id) : null;
      if (record === null || record.spec.account !== request.account) throw noSuchJob(id);
      request.jobId = id;
      return record;
    },
    async accepted(reply, record, ahead) {
      void reply.code(202).header('location', `${base}/v1/jobs/${record.id}`);
      const isKnown = ahead !== undefined && record.status === 'queued';
      // The job is accepted, whether or not its place can be told.
      const wait = await (isKnown ? toJobWait(deps, record.spec.lane, ahead) : readWait(record)).catch(
        (error: unknown) => {
          deps.logger.warn({ jobId: record.id, err: error }, 'the place of a job in its lane could not be read');
          return null;
        },
      );
      return showOne(reply, record, wait);
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

function retryAfterOf({ status }: JobRecord, wait: PublicWait | null): number {
  const soonest = status === 'queued' ? RETRY_AFTER_SECONDS.queued : RETRY_AFTER_SECONDS.in_progress;
  return Math.min(LONGEST_RETRY_AFTER_SECONDS, Math.max(soonest, wait?.expectedSeconds ?? 0));
}

export function noSuchJob(id: string): ServiceError {
  return new ServiceError('not_found', `No job found with id '${id.slice(0, 64)}'.`, { param: 'id' });
}
