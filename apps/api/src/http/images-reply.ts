// A job's outcome as OpenAI answers it: ImagesResponse with links or base64, or an error with its status. What it says is
// the last word on the job, so nobody need ask again.
import { Readable } from 'node:stream';
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { Slots } from '@darkroom/shared/base/slots.ts';
import { responseFormatOf, toErrorResponse, toImagesResponse } from '@darkroom/shared/jobs/images-response.ts';
import type { PublicJob } from '@darkroom/shared/jobs/public-job.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import type { FastifyReply } from 'fastify';
import type { Deps } from '../deps.ts';
import { assertStored, buildBase64Body } from './base64-body.ts';
import type { Client } from './client.ts';
import { outcomeHeaders } from './outcome-headers.ts';

/** Replies with base64 being written at once; each holds an open image and some 300 kB. */
const BASE64_REPLIES = 32;
/** A client that takes nothing for this long is dropped. */
const IDLE_MS = 30_000;
/** A client has `IDLE_MS` and this much more for each byte (16 kB/s): the places are few. */
const MS_PER_BYTE = 1 / 16;
/** Repeating the request would bring the same. */
const NO_RETRY = { 'x-should-retry': 'false' };

export interface ImagesReplies {
  /**
   * The body with the outcome of a job that has ended, after `reply` has been given its status and headers. Throws
   * ServiceError `result_lost`, and StorageError while the images can't be read.
   */
  outcome(reply: FastifyReply, client: Client, record: JobRecord): Promise<object>;
}

export function buildImagesReplies(
  { store }: Pick<Deps, 'store'>,
  toPublic: (record: JobRecord) => PublicJob,
): ImagesReplies {
  const places = new Slots(BASE64_REPLIES);

  async function base64Body(
    reply: FastifyReply,
    client: Client,
    record: JobRecord,
    { data, ...rest }: ReturnType<typeof toImagesResponse>,
  ): Promise<Readable> {
    const images = data.flatMap(({ index, url: _, ...fields }) => {
      const row = record.images.get(index);
      return row === undefined ? [] : [{ row, rest: fields }];
    });
    const place = await places.take(client.gone);
    if (client.gone.aborted) place.free();
    reply.raw.once('close', () => place.free());
    await assertStored(
      store,
      images.map(({ row }) => row),
    ).catch((error: unknown) => {
      throw error instanceof ServiceError && error.code === 'result_lost' ? finalError(error, client) : error;
    });
    const body = buildBase64Body(store, rest, images);
    client.getsFinalReply();
    const onRead = watchReader(reply, body.bytes);
    void reply.header('content-type', 'application/json; charset=utf-8').header('content-length', body.bytes);
    return Readable.from(body.stream(onRead), { objectMode: false });
  }

  return {
    async outcome(reply, client, record) {
      const job = toPublic(record);
      void reply.headers(outcomeHeaders(record, job));
      if (record.images.size === 0) {
        const { status, error } = toErrorResponse(record, job);
        client.getsFinalReply();
        void reply.code(status).headers(NO_RETRY);
        return { error };
      }
      const response = toImagesResponse(record, job);
      if (responseFormatOf(record.spec) === 'b64_json') return base64Body(reply, client, record, response);
      client.getsFinalReply();
      return { ...response, data: response.data.map(({ index: _, ...image }) => image) };
    },
  };
}

function finalError(error: ServiceError, client: Client): ServiceError {
  client.getsFinalReply();
  error.headers = { ...error.headers, ...NO_RETRY };
  return error;
}

/** Drops a client that is too slow; call what it gives whenever the client has taken something. Node's own socket time-out takes up to twice its time to see that nothing is written. */
function watchReader({ raw }: FastifyReply, bytes: number): () => void {
  const drop = (): void => void raw.destroy();
  const idle = setTimeout(drop, IDLE_MS);
  const whole = setTimeout(drop, IDLE_MS + bytes * MS_PER_BYTE);
  raw.once('close', () => {
    clearTimeout(idle);
    clearTimeout(whole);
  });
  return () => void idle.refresh();
}
