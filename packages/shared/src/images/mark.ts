// The mark of a storage: an object that names it, so that an empty folder where a disk was mounted, or another bucket, is not
// taken for this installation's storage with nothing in it. Redis remembers the name of the storage it has used:
//
//   in storage   Redis knows none                           Redis knows one
//   no mark      first use: the mark is made                away
//   a mark       adopted: it is the storage that knows      the same name: ours · another: away
//
// The mark also lists the Redis data sets (books) that have used the storage: what one of them knows nothing of may be another's.
// Who asks, and when, is marked-store.ts.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Redis } from 'ioredis';
import { z } from 'zod';
import type { Keys } from '../base/keys.ts';
import { type ImageStore, StorageError } from './store.ts';

export const MARK_KEY = 'darkroom.json';
const AS_JSON = { contentType: 'application/json' };

const markSchema = z.object({ id: z.string().min(1), books: z.array(z.string()) });
type Mark = z.infer<typeof markSchema>;

/** HASH fields of `keys.storage`. */
interface Known {
  readonly id?: string;
  readonly books?: string;
}

export interface MarkDeps {
  readonly redis: Redis;
  readonly keys: Keys;
  /** Itself, not as marked-store.ts shows it. */
  readonly store: ImageStore;
}

/**
 * One process at a time marks, or two would write a mark into the same storage. Longer than a storage that works takes for
 * it; of two different storages only one gets its name into Redis, however long it takes.
 */
const MARKING_LEASE_MS = 30_000;
const LOOK_AGAIN_MS = 50;

/** Marks the storage, or adopts it, when Redis knows none. Throws StorageError when it is away or not the one Redis knows. */
export async function settleMark(deps: MarkDeps): Promise<void> {
  const { redis, keys } = deps;
  for (;;) {
    const known: Known = await redis.hgetall(keys.storage);
    if (known.id !== undefined) return await sign(deps, known, compare(known.id, await readMark(deps.store)));
    const turn = randomUUID();
    if ((await redis.set(keys.storageMarking, turn, 'PX', MARKING_LEASE_MS, 'NX')) === null) {
      await sleep(LOOK_AGAIN_MS);
      continue;
    }
    try {
      if ((await redis.hexists(keys.storage, 'id')) === 0) await begin(deps);
    } finally {
      if ((await redis.get(keys.storageMarking)) === turn) await redis.del(keys.storageMarking);
    }
  }
}

/**
 * Safe to repeat after a crash at any line: a mark that was made is found and adopted. The name is of this attempt alone, and the
 * first that Redis gets stays, so that another storage can't bear it; whose stands there is then compared.
 */
async function begin({ redis, keys, store }: MarkDeps): Promise<void> {
  const books = await nameBooks({ redis, keys });
  const mark = (await readMark(store)) ?? { id: randomUUID(), books: [] };
  if (!mark.books.includes(books)) await writeMark(store, { ...mark, books: [...mark.books, books] });
  // Two that marked the same storage after all: what stands there counts.
  const kept = await readMark(store);
  if (kept === null) throw new StorageError(`The image storage has not kept its ${MARK_KEY}.`, null);
  await redis.hsetnx(keys.storage, 'id', kept.id);
}

/** A mark that was written over at the same time by another installation's. */
async function sign({ store }: MarkDeps, { books }: Known, mark: Mark): Promise<void> {
  if (books !== undefined && !mark.books.includes(books))
    await writeMark(store, { ...mark, books: [...mark.books, books] });
}

/** The name of the Redis data set in use, made by whoever asks first. Looked for before: a full Redis takes no write. */
export async function nameBooks({ redis, keys }: Omit<MarkDeps, 'store'>): Promise<string> {
  if ((await readBooks({ redis, keys })) === null) await redis.hsetnx(keys.storage, 'books', randomUUID());
  return (await readBooks({ redis, keys })) ?? '';
}

/** null when it has none yet, as when Redis was emptied. */
export async function readBooks({ redis, keys }: Omit<MarkDeps, 'store'>): Promise<string | null> {
  return await redis.hget(keys.storage, 'books');
}

/** Changes nothing. Throws StorageError when Redis knows another storage than this. */
export async function assertMark({ redis, keys, store }: MarkDeps): Promise<void> {
  const id = await redis.hget(keys.storage, 'id');
  if (id !== null) compare(id, await readMark(store));
}

/**
 * Writes the mark again as it is, so that it never gets old: rules that remove what is old would take it, and with it the
 * storage. Throws StorageError when it is not ours.
 */
export async function renewMark({ redis, keys, store }: MarkDeps): Promise<void> {
  const id = await redis.hget(keys.storage, 'id');
  if (id !== null) await writeMark(store, compare(id, await readMark(store)));
}

/**
 * Whether the storage refuses to put an object where there is one, as `putNew` asks; tried with the mark as it is. Throws
 * StorageError when it is not there or not ours.
 */
export async function keepsFirst({ redis, keys, store }: MarkDeps): Promise<boolean> {
  const id = await redis.hget(keys.storage, 'id');
  if (id === null) return true;
  const bytes = toBytes(compare(id, await readMark(store)));
  return !(await store.putNew([{ key: MARK_KEY, bytes, ...AS_JSON }]));
}

/** Whether nobody but this Redis has ever used the storage: then what it knows nothing of belongs to nobody. */
export async function isOursAlone({ redis, keys, store }: MarkDeps): Promise<boolean> {
  const [mark, books] = [await readMark(store), await readBooks({ redis, keys })];
  return mark !== null && mark.books.every((name) => name === books);
}

function compare(id: string, mark: Mark | null): Mark {
  if (mark?.id === id) return mark;
  const why = mark === null ? `it has no ${MARK_KEY}` : `its ${MARK_KEY} is that of another one`;
  throw new StorageError(
    `The image storage is not the one used so far: ${why}. Is a disk not mounted, or another bucket set? Nothing is ` +
      'read or written there until that is mended; to change storage on purpose see «Another storage» in the README.',
    null,
  );
}

async function writeMark(store: ImageStore, mark: Mark): Promise<void> {
  await store.put(MARK_KEY, toBytes(mark), AS_JSON);
}

function toBytes(mark: Mark): Uint8Array {
  return Buffer.from(`${JSON.stringify(mark)}\n`);
}

async function readMark(store: ImageStore): Promise<Mark | null> {
  const bytes = await store.read(MARK_KEY);
  if (bytes === null) return null;
  try {
    return markSchema.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch (error) {
    throw new StorageError(`The image storage's ${MARK_KEY} cannot be read.`, error);
  }
}
