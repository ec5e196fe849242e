// One answer that waits in the spool: put into storage as far as it can be had, recorded, and settled when nothing of it is
// left to wait for. Safe to repeat and to do twice at a time: fixed keys, first write wins. What is past its time is settled
// as paid and lost; its call is not bought again.

import type { SpooledAnswer } from '@darkroom/shared/images/spool-file.ts';
import { type AttemptFacts, finishAttempt } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { ImageRow, JobRecord, SpooledAnswerRow, StoredError } from '@darkroom/shared/jobs/record.ts';
import { type AnswerId, noteSpooled } from '@darkroom/shared/jobs/spool-steps.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import type { Deps } from '../deps.ts';
import { endOf } from './answer-end.ts';
import type { Trouble } from './ask-storage.ts';
import { type Fetched, type Kept, lostImage } from './keep-image.ts';
import { linkUntil } from './link-life.ts';
import { lookInStorage } from './look-in-storage.ts';
import { recordImages } from './record-images.ts';
import { type AboutAnswer, HOST_PATIENCE_MS, tryToCopy } from './spool-answer.ts';
import { type Refused, storeSpooled } from './store-spooled.ts';

/**
 * `settled`: nothing of it waits here any more · `elsewhere`: the same, but a host has more of it · `away`: the storage is ·
 * `refused`: the storage is there, and does not take it · `links`, `host`: it waits for its links, or for the host that has its bytes · `gone`: its job is not kept.
 */
export type Drained = 'settled' | 'elsewhere' | 'away' | 'refused' | 'links' | 'host' | 'gone';

type Attempt = JobRecord['attempts'][number];

export interface Found {
  readonly id: AnswerId;
  readonly record: JobRecord;
  readonly attempt: Attempt;
}

/**
 * An answer whose bytes are at hand, from a file of this host (`local`) or a copy in Redis. `read` comes after the row: what
 * that no longer waits for behind a link is in the file by then.
 */
export async function drainFile(
  deps: Deps,
  id: AnswerId,
  read: () => Promise<SpooledAnswer | null>,
  from: 'local' | 'copy',
): Promise<Drained> {
  const found = await find(deps, id);
  const file = await read();
  if (file === null) return 'settled';
  if (found === null) return 'gone';
  const { facts } = file.about as unknown as AboutAnswer;
  const { record, attempt } = found;
  const row = rowOf(deps, found, file);
  if (from === 'local') await sayItIsHere(deps, found, file, row);

  const missing = file.images.filter(({ index }) => !record.images.has(index));
  const ends: (Kept | Refused)[] = [];
  for (const image of missing) {
    const kept = await storeSpooled(deps, id, record, facts, image);
    ends.push(kept);
    if (kept.kind === 'unstored') break;
  }
  const rows = rowsOf(ends);
  const lost = row.lost ?? errorOf(ends);
  const left = ends.find(({ kind }) => kind === 'unstored') ?? ends.find(({ kind }) => kind === 'refused');
  if (left !== undefined) {
    await recordImages(deps, record, file.call, rows);
    return left.kind === 'unstored' ? 'away' : 'refused';
  }
  const isOwn = from === 'local' && row.host === deps.spool.hostId;
  if (row.host !== null && !isOwn && !isWhole(found, row, file)) {
    await recordImages(deps, record, file.call, rows);
    return 'elsewhere';
  }
  const links = row.links?.map((link, place) => (isIn(file, attempt.images[place]) ? null : link));
  if (links?.some((link) => link !== null) && !isSettled(attempt)) {
    // Its links are followed by whoever comes by.
    await recordImages(deps, record, file.call, rows);
    await noteSpooled(deps.steps, found.id, {}, { ...row, links, host: null, ...(lost === null ? {} : { lost }) });
    return 'settled';
  }
  return await settle(deps, found, facts, row, rows, lost);
}

/** Whether what came is in the file, stored, behind links or known to be lost; else another host has the rest. */
function isWhole({ record, attempt }: Found, row: SpooledAnswerRow, file: SpooledAnswer): boolean {
  const isKnown = (index: number, place: number): boolean =>
    record.images.has(index) || isIn(file, index) || (row.links?.[place] ?? null) !== null;
  return row.lost !== undefined || attempt.images.slice(0, row.images).every(isKnown);
}

function isIn({ images }: SpooledAnswer, wanted: number | undefined): boolean {
  return images.some(({ index }) => index === wanted);
}

/**
 * What was here of an answer is not to be had any more. Whoever comes by follows its links, and looks for the rest in storage
 * before it is lost.
 */
export async function giveUp(deps: Deps, id: AnswerId, reason: string): Promise<void> {
  const found = await find(deps, id);
  const row = found?.attempt.spooled;
  if (!found || !row || row.host !== deps.spool.hostId) return;
  const { attempt } = found;
  const lost = row.lost ?? lostImage(reason, attempt).error;
  const links = (row.links ?? []).filter((link) => link !== null);
  const untils = links.map((link) => linkUntil(link, attempt.answeredAt ?? attempt.at));
  await noteSpooled(deps.steps, id, {}, { ...row, lost, host: null, until: Math.max(Date.now(), ...untils) });
  deps.drainBell.ring();
}

/** null when its job or attempt is not kept. */
export async function find(deps: Deps, { jobId, call, seq }: AnswerId): Promise<Found | null> {
  const record = await readJob(deps.redis, deps.keys, jobId);
  const attempt = record?.attempts.find((row) => row.call === call && row.seq === seq);
  return record && attempt ? { id: { jobId, call, seq }, record, attempt } : null;
}

/** As jobs/lua/lib.lua has it. */
function isSettled({ endedAt, outcome }: Attempt): boolean {
  return endedAt !== undefined && outcome !== 'unknown';
}

/** Noted anew well before others would count this host as gone. */
const SAY_AGAIN_MS = HOST_PATIENCE_MS - 300_000;

/** `until`: what Redis knows of an answer whose file is here; null = nothing. */
export function isToBeSaid(until: number | null): boolean {
  return until === null || until - Date.now() <= SAY_AGAIN_MS;
}

/** Says that this host has an answer without putting it into storage. Its file is read only if that is news. */
export async function sayFileIsHere(
  deps: Deps,
  id: AnswerId,
  read: () => Promise<SpooledAnswer | null>,
): Promise<void> {
  const found = await find(deps, id);
  if (found === null || found.record.calls[id.call]?.outcome !== '' || isSettled(found.attempt)) return;
  const file = await read();
  if (file !== null) await sayItIsHere(deps, found, file, rowOf(deps, found, file));
}

function rowOf(deps: Deps, { attempt }: Found, file: SpooledAnswer): SpooledAnswerRow {
  const { waits } = file.about as unknown as AboutAnswer;
  return attempt.spooled ?? { ...waits, host: deps.spool.hostId, until: Date.now() + HOST_PATIENCE_MS };
}

/**
 * For a file Redis knows nothing of (its worker died before it could say), and so that others go on waiting for this host; not
 * in the place of a host that has more of the answer.
 */
async function sayItIsHere(
  deps: Deps,
  { id, record, attempt }: Found,
  file: SpooledAnswer,
  row: SpooledAnswerRow,
): Promise<void> {
  if (isSettled(attempt)) return;
  const host = attempt.spooled?.host ?? deps.spool.hostId;
  if (host !== deps.spool.hostId && !isWhole({ id, record, attempt }, row, file)) return;
  if (!isToBeSaid(attempt.spooled?.until ?? null)) return;
  const { facts } = file.about as unknown as AboutAnswer;
  const until = Math.max(row.until, Date.now() + HOST_PATIENCE_MS);
  const noted = await noteSpooled(deps.steps, id, facts, { ...row, host: deps.spool.hostId, until });
  if (noted !== 'noted' || attempt.spooled !== undefined) return;
  deps.log.warn({ ...id }, 'an answer was found in the spool that Redis knew nothing of');
  await tryToCopy(deps, id, file);
}

/**
 * Ends the attempt of an answer nothing of which waits any more. What is said to be lost is looked for in storage before; while
 * that can't be asked nothing is decided.
 */
export async function settle(
  deps: Deps,
  found: Found,
  facts: AttemptFacts,
  row: SpooledAnswerRow,
  images: readonly ImageRow[],
  lost: StoredError | null,
): Promise<'settled' | Trouble['kind']> {
  const { id, record, attempt } = found;
  const stored = lost === null ? new Map<number, ImageRow>() : await lookInStorage(deps, id, record, attempt, row);
  if (typeof stored === 'string') {
    await recordImages(deps, record, id.call, images);
    return stored;
  }
  const rows = new Map([...stored, ...images.map((image) => [image.index, image] as const)]);
  const came = attempt.images.slice(0, row.images);
  const isAll = came.every((index) => record.images.has(index) || rows.has(index));
  await finish(deps, found, facts, row, [...rows.values()], isAll ? null : lost);
  return 'settled';
}

async function finish(
  deps: Deps,
  { id, record, attempt }: Found,
  facts: AttemptFacts,
  row: SpooledAnswerRow,
  images: readonly ImageRow[],
  lost: StoredError | null,
): Promise<void> {
  const requestId = attempt.requestId ?? facts.requestId ?? null;
  const finished = await finishAttempt(deps.steps, {
    ...id,
    outcome: 'succeeded',
    facts,
    ...endOf(attempt.images, row.images, lost, requestId),
    images,
    callImages: record.spec.calls[id.call] ?? [],
  });
  // Its item was acknowledged when the answer was spooled; the sweep adds one for what is left to make.
  if (finished.callOutcome === '') await deps.redis.zadd(deps.keys.openJobs, 'XX', Date.now(), id.jobId);
  const { jobEnded } = finished;
  if (jobEnded !== null) deps.metrics.jobsEnded.inc({ status: jobEnded });
  const model = record.spec.lane;
  deps.metrics.imagesStored.inc({ model }, images.length);
  deps.metrics.imageBytes.inc(images.reduce((sum, image) => sum + image.bytes, 0));
  deps.metrics.answersDrained.inc({ end: lost === null ? 'stored' : 'lost' });
  const about = { ...id, images: images.length, jobEnded };
  if (lost === null) deps.log.info(about, 'a spooled answer is in storage');
  else deps.log.error({ ...about, reason: lost.message }, 'a paid answer is lost');
}

/** Why an answer on a host that does not come back is lost. */
export function hostLost(host: string, attempt: Attempt): StoredError {
  const minutes = HOST_PATIENCE_MS / 60_000;
  return lostImage(`it lies in the spool of host ${host}, which could not be reached for ${minutes} minutes`, attempt)
    .error;
}

/** The end of an image's link has come, and it is not known whether the storage has the image. */
export interface Ended {
  readonly kind: 'ended';
}

/** What became of one image of an answer; null = there was nothing to do. */
export type End = Kept | Refused | Fetched | Ended | null;

export function rowsOf(ends: readonly End[]): ImageRow[] {
  return ends.flatMap((end) => (end?.kind === 'kept' ? [end.row] : []));
}

export function errorOf(ends: readonly End[]): StoredError | null {
  return ends.find((end) => end?.kind === 'lost')?.error ?? null;
}
