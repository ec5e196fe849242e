// Batches as an account may see them: those of others look like missing ones.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { isBatchId } from '@darkroom/shared/base/ids.ts';
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import { readBatch } from '@darkroom/shared/batches/store.ts';
import type { FastifyRequest } from 'fastify';
import type { Deps } from '../deps.ts';

export interface BatchReplies {
  /** The batch the path names. Throws ServiceError `not_found`. */
  find(request: FastifyRequest): Promise<BatchRecord>;
  /** The same by id. */
  read(account: string, id: string): Promise<BatchRecord>;
}

export function buildBatchReplies({ redis, keys }: Pick<Deps, 'redis' | 'keys'>): BatchReplies {
  const read = async (account: string, id: string): Promise<BatchRecord> => {
    const record = isBatchId(id) ? await readBatch(redis, keys, id) : null;
    if (record === null || record.spec.account !== account) throw noSuchBatch(id);
    return record;
  };
  return { read, find: (request) => read(request.account, (request.params as { id: string }).id) };
}

export function noSuchBatch(id: string): ServiceError {
  return new ServiceError('not_found', `No batch found with id '${id.slice(0, 64)}'.`, { param: 'id' });
}
