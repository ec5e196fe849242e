// Pages through an account's files. The index of each purpose makes a page cost what it shows, whatever else there is.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { idsFrom, type Order, rankAfter } from '../base/ordered-ids.ts';
import { type FilePurpose, type FileRecord, toFileRecord } from './file-record.ts';

export interface FileQuery {
  /** null = of any purpose. */
  readonly purpose: FilePurpose | null;
  /** From 1. */
  readonly limit: number;
  readonly order: Order;
  /** Id of the file the page begins after; null = from the start. */
  readonly after: string | null;
}

export interface FilePage {
  readonly files: readonly FileRecord[];
  readonly hasMore: boolean;
}

/** Records asked for at once, so that a page of 10,000 does not hold Redis up. */
const CHUNK = 500;

type ListDeps = { readonly redis: Redis; readonly keys: Keys };

/** A page of an account's files, newest first with `desc`; null when `after` is no file in this list. */
export async function listFiles(deps: ListDeps, account: string, query: FileQuery): Promise<FilePage | null> {
  const index = deps.keys.accountFiles(account, query.purpose ?? undefined);
  let rank = query.after === null ? 0 : await rankAfter(deps.redis, index, query.after, query.order);
  if (rank === null) return null;
  const files: FileRecord[] = [];
  while (files.length <= query.limit) {
    const count = Math.min(CHUNK, query.limit + 1 - files.length);
    const ids = await idsFrom(deps.redis, index, rank, count, query.order);
    files.push(...(await readFiles(deps, ids)));
    if (ids.length < count) return { files: files.slice(0, query.limit), hasMore: files.length > query.limit };
    rank += count;
  }
  return { files: files.slice(0, query.limit), hasMore: true };
}

/** Those that were deleted since the index was read are left out. */
async function readFiles({ redis, keys }: ListDeps, ids: readonly string[]): Promise<FileRecord[]> {
  const pipeline = redis.pipeline();
  for (const id of ids) pipeline.hgetall(keys.file(id));
  const replies = ids.length === 0 ? [] : ((await pipeline.exec()) ?? []);
  return replies.flatMap(([error, hash]) => {
    if (error) throw error;
    return toFileRecord(hash as Record<string, string>) ?? [];
  });
}
