// Answers that are paid but not in storage yet, as Redis knows them: where they wait, copies of small ones, and the list of
// all of them. The bytes themselves are in images/spool.ts. Each step is atomic and safe to repeat.
import { loadScript, runScript, type Script } from '../base/redis.ts';
import { readFlag, readWord } from '../base/redis-reply.ts';
import { runUntilDurable } from '../base/replicas.ts';
import type { AttemptFacts } from './attempt-steps.ts';
import type { SpooledAnswerRow } from './record.ts';
import type { JobSteps } from './steps.ts';

const load = (step: string): Script => loadScript(import.meta.url, 'lua/lane.lua', 'lua/lib.lua', `lua/${step}.lua`);
const NOTE_SPOOLED = load('note-spooled');
const STILL_THERE = load('still-there');
const RESERVE_COPY = load('reserve-copy');
const NOTED = new Set(['noted', 'over', 'gone'] as const);

/** Which answer: an attempt of a call. */
export interface AnswerId {
  readonly jobId: string;
  readonly call: number;
  readonly seq: number;
}

/** Its name in `keys.spooled`, in copies and in leases. */
export function entryOf({ jobId, call, seq }: AnswerId): string {
  return `${jobId} ${call} ${seq}`;
}

function parseEntry(entry: string): AnswerId {
  const [jobId = '', call, seq] = entry.split(' ');
  return { jobId, call: Number(call), seq: Number(seq) };
}

/**
 * Says where an answer waits, or anew what is missing of it. `over`: its attempt is settled or its call has an outcome, so
 * the answer changes nothing any more; `gone`: no such job or attempt.
 */
export async function noteSpooled(
  steps: JobSteps,
  id: AnswerId,
  facts: AttemptFacts,
  row: SpooledAnswerRow,
): Promise<'noted' | 'over' | 'gone'> {
  const args = [id.call, id.seq, JSON.stringify(facts), JSON.stringify(row)];
  return readWord(await runUntilDurable(steps, NOTE_SPOOLED, [steps.keys.job(id.jobId)], args), NOTED, 'note-spooled');
}

/** Says that `host` has the bytes of an answer until then at least, unix ms. False when no such answer waits for that host. */
export async function sayStillThere(steps: JobSteps, id: AnswerId, host: string, until: number): Promise<boolean> {
  const args = [id.call, id.seq, host, until];
  return readFlag(await runUntilDurable(steps, STILL_THERE, [steps.keys.job(id.jobId)], args), 'still-there');
}

/** All copies in Redis together. */
const COPIES_BYTES = 32 * 1_024 ** 2;
/** A copy is removed with its answer; this is for one whose answer was settled while it was being written. */
const COPY_LIFE_MS = 48 * 3_600_000;

/** Keeps a copy of a spooled answer that any worker can put into storage; false when there is no room for it. */
export async function keepCopy({ redis, keys }: JobSteps, id: AnswerId, file: Buffer): Promise<boolean> {
  if (file.length > COPIES_BYTES) return false;
  const entry = entryOf(id);
  const args = [id.call, id.seq, entry, file.length, COPIES_BYTES];
  const reserved = await runScript(redis, RESERVE_COPY, [keys.job(id.jobId), keys.spoolCopies], args);
  if (!readFlag(reserved, 'reserve-copy')) return false;
  await redis.set(keys.spoolCopy(entry), file, 'PX', COPY_LIFE_MS);
  if ((await redis.hexists(keys.spoolCopies, entry)) === 1) return true;
  await redis.del(keys.spoolCopy(entry));
  return false;
}

export async function readCopy({ redis, keys }: JobSteps, id: AnswerId): Promise<Buffer | null> {
  return redis.getBuffer(keys.spoolCopy(entryOf(id)));
}

/** The spooled answers, those first that can be had for the shortest time yet. */
export async function listSpooled(
  { redis, keys }: JobSteps,
  most: number,
): Promise<{ readonly id: AnswerId; readonly until: number }[]> {
  const flat = await redis.zrange(keys.spooled, '0', String(most - 1), 'WITHSCORES');
  return Array.from({ length: flat.length / 2 }, (_, index) => ({
    id: parseEntry(flat[index * 2] ?? ''),
    until: Number(flat[index * 2 + 1]),
  }));
}

/** Until when each of them can be had, unix ms; null = Redis does not know that it waits. */
export async function untilOf({ redis, keys }: JobSteps, ids: readonly AnswerId[]): Promise<(number | null)[]> {
  if (ids.length === 0) return [];
  const scores = await redis.zmscore(keys.spooled, ...ids.map(entryOf));
  return scores.map((score) => (score === null ? null : Number(score)));
}

/** Those that have a copy in Redis; one reserved by a process that died before it wrote it, or run out, is none. */
export async function listCopied({ redis, keys }: JobSteps): Promise<AnswerId[]> {
  const reserved = await redis.hkeys(keys.spoolCopies);
  const exist = await Promise.all(reserved.map((entry) => redis.exists(keys.spoolCopy(entry))));
  return reserved.filter((_, place) => exist[place] === 1).map(parseEntry);
}

/** For a copy that can't be read: its host, or its time, decides about the answer as if there had been none. */
export async function dropCopy({ redis, keys }: JobSteps, id: AnswerId): Promise<void> {
  const entry = entryOf(id);
  await redis.multi().del(keys.spoolCopy(entry)).hdel(keys.spoolCopies, entry).exec();
}

/** For an answer whose job is no longer kept. */
export async function forgetSpooled({ redis, keys }: JobSteps, id: AnswerId): Promise<void> {
  const entry = entryOf(id);
  await redis.multi().zrem(keys.spooled, entry).del(keys.spoolCopy(entry)).hdel(keys.spoolCopies, entry).exec();
}
