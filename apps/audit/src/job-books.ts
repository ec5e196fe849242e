// Everything that is written down about one job, read from the places it stands in: its record, the storage, the lists.
import { itemIdOf } from '@darkroom/shared/base/ids.ts';
import { inputKey, jobPrefix } from '@darkroom/shared/images/keys.ts';
import { hasEnded, type JobRecord, toJobRecord } from '@darkroom/shared/jobs/record.ts';
import { inputsOf } from '@darkroom/shared/jobs/spec.ts';
import { itemLockKey, laneQueueName } from '@darkroom/shared/queues/call-queue.ts';
import { allOf } from '@darkroom/shared/requests/inputs.ts';
import { z } from 'zod';
import type { Audit } from './audit.ts';
import { mapLimited } from './each-limited.ts';
import { parsed } from './parsed.ts';
import { sha256Of } from './sha256.ts';

/** A job and its part of the storage: key → bytes. */
export interface JobPlace {
  readonly account: string;
  readonly jobId: string;
  readonly stored: ReadonlyMap<string, number>;
}

export interface JobBooks {
  readonly record: JobRecord;
  readonly counters: Counters;
  readonly stored: ReadonlyMap<string, number>;
  /** Hex, by key; empty unless images are read. */
  readonly hashes: ReadonlyMap<string, string>;
  readonly isListed: boolean;
  readonly isListedOpen: boolean;
  /** Calls that have an item in their queue, or a lock of one. */
  readonly queued: ReadonlySet<number>;
  /** `<call> <attempt>` of the spooled answers that stand on the list of them. */
  readonly spooled: ReadonlySet<string>;
  /** Input images of an open job that are not in storage, by hash. */
  readonly missingInputs: readonly string[];
}

/** What `state` counts; jobs/lua/lib.lua says what each is. */
const counters = z.object({
  left: z.number(),
  underWay: z.number(),
  images: z.number(),
  requested: z.number(),
});
export type Counters = z.infer<typeof counters>;

const IMAGES_AT_ONCE = 4;

/** null: there is no such job. `unreadable`: its record makes no sense. */
export async function readJobBooks(audit: Audit, place: JobPlace): Promise<JobBooks | 'unreadable' | null> {
  const { redis, keys } = audit;
  const hash = await redis.hgetall(keys.job(place.jobId));
  if (Object.keys(hash).length === 0) return null;
  const read = parseRecord(hash, place.jobId);
  if (read === null) return 'unreadable';
  const { record } = read;
  const [listed, account, listedOpen] = await Promise.all([
    redis.zscore(keys.accountJobs(record.spec.account), record.id),
    redis.sismember(keys.accounts, record.spec.account),
    redis.zscore(keys.openJobs, record.id),
  ]);
  return {
    ...read,
    stored: place.stored,
    hashes: audit.options.deep ? await readHashes(audit, record, place.stored) : new Map(),
    isListed: listed !== null && account === 1,
    isListedOpen: listedOpen !== null,
    queued: hasEnded(record) ? new Set() : await readQueued(audit, record),
    spooled: await readSpooled(audit, record),
    missingInputs: hasEnded(record) ? [] : await readMissingInputs(audit, record),
  };
}

function parseRecord(hash: Readonly<Record<string, string>>, id: string): Pick<JobBooks, 'record' | 'counters'> | null {
  return parsed(() => {
    const record = toJobRecord(hash, id);
    return record === null ? null : { record, counters: counters.parse(JSON.parse(hash['state'] ?? '')) };
  });
}

/** The job's part of the storage as it is now. */
export async function readPlace({ store }: Audit, account: string, jobId: string): Promise<JobPlace> {
  const stored = new Map<string, number>();
  for await (const { key, bytes } of store.listObjects(jobPrefix(account, jobId))) stored.set(key, bytes);
  return { account, jobId, stored };
}

async function readHashes(
  { store }: Audit,
  record: JobRecord,
  stored: JobPlace['stored'],
): Promise<ReadonlyMap<string, string>> {
  const there = [...record.images.values()].filter(({ key }) => stored.has(key));
  const hashes = await mapLimited(there, IMAGES_AT_ONCE, async ({ key }) => [key, await sha256Of(store, key)] as const);
  return new Map(hashes.filter((pair): pair is [string, string] => pair[1] !== null));
}

async function readQueued({ redis, keys }: Audit, record: JobRecord): Promise<ReadonlySet<number>> {
  const { lane } = record.spec;
  const open = [...record.calls.keys()].filter((call) => record.calls[call]?.outcome === '');
  const exist = await Promise.all(
    open.map((call) => {
      const item = itemIdOf(record.id, call, record.run);
      return redis.exists(`${keys.queuePrefix}:${laneQueueName(lane)}:${item}`, itemLockKey(keys, lane, item));
    }),
  );
  return new Set(open.filter((_, index) => (exist[index] ?? 0) > 0));
}

async function readSpooled({ redis, keys }: Audit, record: JobRecord): Promise<ReadonlySet<string>> {
  const rows = record.attempts.filter(({ spooled }) => spooled !== undefined);
  const scores = await Promise.all(
    rows.map(({ call, seq }) => redis.zscore(keys.spooled, `${record.id} ${call} ${seq}`)),
  );
  return new Set(rows.filter((_, index) => scores[index] !== null).map(({ call, seq }) => `${call} ${seq}`));
}

async function readMissingInputs({ store }: Audit, { spec }: JobRecord): Promise<string[]> {
  const refs = allOf(inputsOf(spec));
  const found = await Promise.all(refs.map(({ sha256 }) => store.head(inputKey(spec.account, sha256))));
  return refs.filter(({ bytes }, index) => found[index]?.bytes !== bytes).map(({ sha256 }) => sha256);
}
