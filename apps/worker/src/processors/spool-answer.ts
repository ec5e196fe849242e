// An answer whose images could not all be kept: the bytes go to this host's spool, then Redis is told where the answer waits
// and gets a copy if it is small. After that nothing of it is needed in memory. While the disk can't be written either, the
// bytes stay here, and storage and disk are tried in turn.
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeAnswer, type SpooledAnswer } from '@darkroom/shared/images/spool-file.ts';
import type { AttemptFacts } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { ImageRow, SpooledAnswerRow, StoredError } from '@darkroom/shared/jobs/record.ts';
import { type AnswerId, keepCopy, noteSpooled } from '@darkroom/shared/jobs/spool-steps.ts';
import type { Deps } from '../deps.ts';
import { type ImageBytes, type Source, storeImage } from './keep-image.ts';
import { recordImages } from './record-images.ts';
import type { SentAttempt } from './run-call.ts';
import type { KeptSoFar } from './settle-answer.ts';

/** An answer on a host that does not come back counts as lost after this long. */
export const HOST_PATIENCE_MS = 3_600_000;
const LONGEST_PAUSE_MS = 5_000;

/** What a spool file says of its answer beside its images. */
export interface AboutAnswer {
  readonly facts: AttemptFacts;
  /** Everything but `host` and `until`, which Redis is told. */
  readonly waits: Omit<SpooledAnswerRow, 'until' | 'host'>;
}

/** `kept`: after all every image could be stored. */
export interface Waits {
  readonly kind: 'spooled' | 'kept';
  readonly rows: readonly ImageRow[];
  readonly lost: StoredError | null;
}

export interface AnsweredCall {
  readonly attempt: SentAttempt;
  /** How many images came. */
  readonly images: number;
  readonly facts: AttemptFacts;
  /** null when none came. */
  readonly links: SpooledAnswerRow | null;
  /** Settles when Redis knows of the answer. */
  readonly books: Promise<void>;
}

export async function spoolAnswer(deps: Deps, answered: AnsweredCall, soFar: KeptSoFar): Promise<Waits> {
  const { record, call } = answered.attempt.work;
  const id = { jobId: record.id, call, seq: answered.attempt.gate.seq };
  const aboutOf = (lost: StoredError | null): AboutAnswer => ({
    facts: answered.facts,
    waits: { images: answered.images, ...pendingLinks(answered, soFar), ...(lost === null ? {} : { lost }) },
  });
  const toFile: ToFile = (images, lost) => ({ ...id, answeredAt: Date.now(), about: { ...aboutOf(lost) }, images });
  const { rows, lost, file } = await holdOrStore(deps, answered, soFar, toFile);
  if (file === null && soFar.unfetched.length === 0) return { kind: 'kept', rows, lost };

  await answered.books;
  await recordImages(deps, record, call, rows);
  const host = file === null ? null : deps.spool.hostId;
  const hostUntil = file === null ? 0 : Date.now() + HOST_PATIENCE_MS;
  const row = { ...aboutOf(lost).waits, host, until: Math.max(hostUntil, answered.links?.until ?? 0) };
  const noted = await noteSpooled(deps.steps, id, answered.facts, row);
  const isCopied = file !== null && noted === 'noted' && (await tryToCopy(deps, id, file));
  deps.metrics.answersSpooled.inc();
  const left = { images: file?.images.length ?? 0, links: soFar.unfetched.length };
  deps.log.warn({ ...id, ...left, noted, isCopied }, 'a paid answer waits in the spool');
  deps.drainBell.ring();
  return { kind: 'spooled', rows, lost };
}

/** Links that need not be followed any more are left out. */
function pendingLinks({ links, attempt }: AnsweredCall, { unfetched }: KeptSoFar): Partial<SpooledAnswerRow> {
  if (links === null || unfetched.length === 0) return {};
  const reasonAt = new Map(unfetched.map(({ index, reason }) => [index, reason]));
  const reasons = links.links?.map((_, place) => reasonAt.get(attempt.images[place] ?? -1) ?? null) ?? [];
  const { revisedPrompts } = links;
  const left = links.links?.map((link, place) => (reasons[place] === null ? null : link)) ?? [];
  return { links: left, reasons, ...(revisedPrompts && { revisedPrompts }) };
}

type ToFile = (images: readonly ImageBytes[], lost: StoredError | null) => SpooledAnswer;

interface Held {
  readonly rows: readonly ImageRow[];
  readonly lost: StoredError | null;
  /** null when no bytes are left to be stored. */
  readonly file: SpooledAnswer | null;
}

/** Until every image that is here lies in the spool or in storage. */
async function holdOrStore(
  deps: Deps,
  { attempt, facts }: AnsweredCall,
  soFar: KeptSoFar,
  toFile: ToFile,
): Promise<Held> {
  let { unstored, lost } = soFar;
  const rows = [...soFar.rows];
  const { record, call } = attempt.work;
  const source: Source = { ...facts, call, seq: attempt.gate.seq };
  for (let tries = 1; unstored.length > 0; tries += 1) {
    const file = toFile(unstored, lost);
    const isHeld = await tryToSpool(deps, file, tries);
    if (isHeld) return { rows, lost, file };
    await sleep(Math.min(LONGEST_PAUSE_MS, 250 * 2 ** Math.min(tries, 10)));
    const ends = await Promise.all(unstored.map((image) => storeImage(deps, record, source, image)));
    unstored = ends.flatMap((end) => (end.kind === 'unstored' ? [end.image] : []));
    rows.push(...ends.flatMap((end) => (end.kind === 'kept' ? [end.row] : [])));
    lost ??= ends.find((end) => end.kind === 'lost')?.error ?? null;
  }
  return { rows, lost, file: null };
}

async function tryToSpool(deps: Deps, file: SpooledAnswer, tries: number): Promise<boolean> {
  try {
    await deps.spool.write(file);
    deps.room.spend(file.images.reduce((sum, { bytes }) => sum + bytes.length, 0));
    return true;
  } catch (error) {
    const { jobId, call, seq } = file;
    deps.log.error(
      { err: error, jobId, call, attempt: seq, tries },
      'a paid answer can be neither stored nor spooled yet',
    );
    return false;
  }
}

/** For an answer that has been noted: another worker can finish it then. False without room for it in Redis. */
export async function tryToCopy(deps: Deps, id: AnswerId, file: SpooledAnswer): Promise<boolean> {
  try {
    return await keepCopy(deps.steps, id, Buffer.concat(encodeAnswer(file)));
  } catch (error) {
    // A full Redis: the file on disk is what counts.
    deps.log.warn({ err: error, ...id }, 'a spooled answer could not be copied to Redis');
    return false;
  }
}
