// The links of answers that wait: followed by whoever comes by, and while the storage is away by the host that has the rest of
// the answer. What is fetched and can't be stored joins the answer's file, so that a link may die meanwhile. Safe to repeat:
// the file is written before Redis is told that a link needs no following.

import type { SpooledAnswer } from '@darkroom/shared/images/spool-file.ts';
import type { SpooledAnswerRow } from '@darkroom/shared/jobs/record.ts';
import { type AnswerId, dropCopy, noteSpooled } from '@darkroom/shared/jobs/spool-steps.ts';
import type { Deps } from '../deps.ts';
import type { ReplyImage } from '../upstream/reply.ts';
import {
  type Drained,
  type End,
  type Ended,
  errorOf,
  type Found,
  find,
  hostLost,
  rowsOf,
  settle,
} from './drain-answer.ts';
import { type Fetched, fetchImage, type ImageBytes, type LostImage, lostImage } from './keep-image.ts';
import { linkUntil } from './link-life.ts';
import { type Looked, lookInStorage } from './look-in-storage.ts';
import { recordImages } from './record-images.ts';
import { type AboutAnswer, HOST_PATIENCE_MS, tryToCopy } from './spool-answer.ts';
import { storeSpooled } from './store-spooled.ts';

/** Reads the bytes of an answer; null when there are none. */
export type ReadAnswer = () => Promise<SpooledAnswer | null>;

/**
 * An answer whose bytes are not on this host: its links are followed, and it is given up when its time is over. `copy`: null
 * when Redis has none; with one it is not given up.
 */
export async function drainRest(
  deps: Deps,
  id: AnswerId,
  copy: ReadAnswer | null,
  signal: AbortSignal,
): Promise<Drained> {
  const found = await find(deps, id);
  if (found === null) return 'gone';
  const { record, attempt } = found;
  const row = attempt.spooled;
  if (row === undefined) return 'settled';
  const isOver = Date.now() >= row.until && copy === null;
  // What would be fetched could be put nowhere: its host follows the links itself (followIntoFile).
  if (row.host !== null && copy === null && !isOver && deps.breaker.isOpen) return 'host';
  const stored = deps.breaker.isOpen ? 'away' : await lookBefore(deps, found, row, signal);
  const followed = await Promise.all(
    (row.links ?? []).map((_, place) => reach(deps, found, row, place, stored, signal)),
  );
  const rows = rowsOf(followed);
  const lost = row.lost ?? errorOf(followed);
  const links = row.links?.map((link, place) => (isWanted(followed[place]) ? link : null));
  const isWaiting = links?.some((link) => link !== null) ?? false;
  const mayEnd = !isWaiting && (row.host === null || isOver);
  const why = lost ?? (row.host === null ? null : hostLost(row.host, attempt));
  if (mayEnd && (why === null || !deps.breaker.isOpen)) return await settle(deps, found, {}, row, rows, why);
  await recordImages(deps, record, id.call, rows);
  const left: SpooledAnswerRow = {
    ...row,
    ...(links && { links }),
    ...reasonsOf(row, followed),
    ...(lost && { lost }),
  };
  const unstored = followed.flatMap((end) => (end?.kind === 'unstored' || end?.kind === 'refused' ? [end.image] : []));
  // A link may die before the storage is back.
  const beside = unstored.length === 0 ? null : await bytesBeside(row, isOver, copy);
  if (beside !== null) await keepInFile(deps, found, beside, left, unstored);
  else if (isNews(left, row)) await noteSpooled(deps.steps, id, {}, left);
  if (isWaiting) return 'links';
  return mayEnd ? 'away' : 'host';
}

/** A link may lead to its image but once, and whoever followed it may have died before the record. */
async function lookBefore(
  deps: Deps,
  { id, record, attempt }: Found,
  row: SpooledAnswerRow,
  signal: AbortSignal,
): Promise<Looked> {
  if (!row.links?.some((link) => link !== null)) return new Map();
  return await lookInStorage(deps, id, record, attempt, row, signal);
}

/** While the storage is away: what the links lead to joins the file that this host has of the answer. */
export async function followIntoFile(
  deps: Deps,
  id: AnswerId,
  read: ReadAnswer,
  signal: AbortSignal,
): Promise<Drained> {
  const found = await find(deps, id);
  const row = found?.attempt.spooled;
  if (!found || !row?.links?.some((link) => link !== null)) return 'host';
  if (row.host !== null && row.host !== deps.spool.hostId) return 'host';
  const file = await read();
  if (file === null) return 'host';
  const fetched = await Promise.all(row.links.map((_, place) => fetchLink(deps, found, row, place, false, signal)));
  const links = row.links.map((link, place) => (isWanted(fetched[place]) ? link : null));
  const images = fetched.flatMap((end) => (end?.kind === 'fetched' ? [end.image] : []));
  const left: SpooledAnswerRow = { ...row, links, ...reasonsOf(row, fetched) };
  if (images.length > 0) await keepInFile(deps, found, file, left, images);
  else if (isNews(left, row)) await noteSpooled(deps.steps, id, {}, left);
  return links.some((link) => link !== null) ? 'links' : 'host';
}

/** Whether its link is still of use. */
function isWanted(end: End | undefined): boolean {
  return ['unfetched', 'ended', 'unstored', 'refused'].includes(end?.kind ?? '');
}

/** What following each link said last: told when it has ended. */
function reasonsOf(row: SpooledAnswerRow, ends: readonly End[]): Pick<SpooledAnswerRow, 'reasons'> {
  const reasons = ends.map((end, place) => {
    if (end?.kind === 'ended') return row.reasons?.[place] ?? null;
    return end?.kind === 'unfetched' ? end.reason : null;
  });
  return reasons.some((reason) => reason !== null) ? { reasons } : {};
}

function isNews(left: SpooledAnswerRow, row: SpooledAnswerRow): boolean {
  return JSON.stringify(left) !== JSON.stringify(row);
}

type Beside = Pick<SpooledAnswer, 'about' | 'images'>;
const NOTHING: Beside = { about: { facts: {} }, images: [] };

/** What else of an answer this host could take over; null when another host has it. */
async function bytesBeside(row: SpooledAnswerRow, isOver: boolean, copy: ReadAnswer | null): Promise<Beside | null> {
  if (row.host === null || isOver) return NOTHING;
  return copy === null ? null : copy();
}

/** Puts images into this host's file of an answer, beside what is in it, and says that the answer is here. */
async function keepInFile(
  deps: Deps,
  { id, attempt }: Found,
  before: Beside,
  row: SpooledAnswerRow,
  images: readonly ImageBytes[],
): Promise<void> {
  const indexes = new Set(images.map(({ index }) => index));
  const links = (row.links ?? []).map((link, place) => (indexes.has(attempt.images[place] ?? -1) ? null : link));
  const { until: _, host: __, ...waits } = { ...row, links };
  const { facts } = before.about as unknown as AboutAnswer;
  const about: AboutAnswer = { facts, waits };
  const all = [...before.images.filter(({ index }) => !indexes.has(index)), ...images];
  const file: SpooledAnswer = {
    ...id,
    answeredAt: attempt.answeredAt ?? attempt.at,
    about: { ...about },
    images: all,
  };
  await deps.spool.write(file);
  // Also where there was no room for it: it is paid, and new calls find less until it is stored.
  deps.room.spend(sumOf(all) - sumOf(before.images));
  const until = Math.max(row.until, Date.now() + HOST_PATIENCE_MS);
  const noted = await noteSpooled(deps.steps, id, facts, { ...waits, host: deps.spool.hostId, until });
  if (noted !== 'noted') return;
  // One of fewer images, of another size.
  await dropCopy(deps.steps, id);
  await tryToCopy(deps, id, file);
}

function sumOf(images: readonly { readonly bytes: Uint8Array }[]): number {
  return images.reduce((sum, { bytes }) => sum + bytes.length, 0);
}

/** Stored already, or behind its link. null: nothing to follow. */
async function reach(
  deps: Deps,
  found: Found,
  row: SpooledAnswerRow,
  place: number,
  stored: Looked,
  signal: AbortSignal,
): Promise<End> {
  const isKnown = typeof stored !== 'string';
  const there = isKnown && stored.get(found.attempt.images[place] ?? -1);
  if (there) return { kind: 'kept', row: there };
  const end = await fetchLink(deps, found, row, place, isKnown, signal);
  const { id, record, attempt } = found;
  if (end?.kind === 'fetched') {
    const kept = await storeSpooled(deps, id, record, attempt, end.image);
    if (kept.kind === 'kept') deps.linkBreaker.worked(record.spec.lane);
    return kept;
  }
  if (end?.kind !== 'unfetched' || end.unreadable === undefined || end.reason === row.reasons?.[place]) return end;
  // For the operator, once: it was paid for, if it is not a page.
  const kept = await storeSpooled(deps, id, record, attempt, end.unreadable);
  return kept.kind === 'kept' ? kept : end;
}

/** null: nothing to follow. `isKnown`: what the storage has; else nothing is lost. */
async function fetchLink(
  deps: Deps,
  { id, record, attempt }: Found,
  row: SpooledAnswerRow,
  place: number,
  isKnown: boolean,
  signal: AbortSignal,
): Promise<Fetched | LostImage | Ended | null> {
  const [link, index] = [row.links?.[place] ?? null, attempt.images[place]];
  if (link === null || index === undefined || record.images.has(index)) return null;
  if (Date.now() >= linkUntil(link, attempt.answeredAt ?? attempt.at)) {
    if (!isKnown) return { kind: 'ended' };
    const before = row.reasons?.[place] ?? null;
    const why = before === null ? '' : ` (${before})`;
    return lostImage(`its link has expired, and did not lead to it before${why}`, attempt);
  }
  const image: ReplyImage = { kind: 'url', url: link, revisedPrompt: row.revisedPrompts?.[place] ?? null };
  const fetched = await fetchImage(deps, index, image, signal);
  if (fetched.kind === 'unfetched')
    deps.log.warn({ ...id, index, reason: fetched.reason }, 'a paid image could not be fetched yet');
  return fetched;
}
