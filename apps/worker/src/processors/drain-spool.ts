// Puts what waits in the spool into storage, on every worker, always, without taking places or permits from calls: files of
// this host and copies in Redis (oldest first; while storage is away the oldest is the probe), and beside them links and what
// can't be had any more. The breaker is closed only when what is here has been drained and the storage has been written to
// (an answer may turn out to be stored already). One answer is settled here in turn:
//   listed ─lease─▶ taken ─▶ stored, settled: file removed · away: breaker opens · refused by a storage that is there: behind
// the others, later and later · links, host: looked at again later · gone: forgotten, its file put aside
// Files of other installations in the same folder are left alone (spool/own-answers.ts).

import { decodeAnswer, type SpooledAnswer, SpoolFormatError } from '@darkroom/shared/images/spool-file.ts';
import type { SpooledAnswerRow } from '@darkroom/shared/jobs/record.ts';
import {
  type AnswerId,
  dropCopy,
  entryOf,
  forgetSpooled,
  listCopied,
  listSpooled,
  readCopy,
  untilOf,
} from '@darkroom/shared/jobs/spool-steps.ts';
import type { Deps } from '../deps.ts';
import { takeLease } from '../lease.ts';
import { answerLeaseOf } from '../spool/answer-lease.ts';
import { isStorageWell } from './ask-storage.ts';
import { type Drained, drainFile, giveUp, isToBeSaid, sayFileIsHere } from './drain-answer.ts';
import { drainRest, followIntoFile } from './drain-links.ts';
import { type Look, nextLook, type Pause, PutOff, WAITING_MS } from './drain-pauses.ts';
import { buildSayer } from './say-here.ts';

export interface Drainer {
  /** Settles after the first look at this host's files and all links. */
  readonly firstLook: Promise<unknown>;
  /** Resolves when nothing is being drained any more. */
  stop(): Promise<void>;
}

const IDLE_MS = 3_000;
/** While the storage is away: soon at first, then at least every 5 s. */
const FIRST_PROBE_MS = 250;
const LONGEST_PROBE_MS = 4_000;
const MOST_LISTED = 5_000;
const LINKS_AT_ONCE = 4;

export function startDraining(deps: Deps): Drainer {
  const stopping = new AbortController();
  const { signal } = stopping;
  deps.breaker.onOpen(() => deps.drainBell.ring());
  const putOff = new PutOff();
  let failures = 0;
  let look = (): Promise<void> => deps.store.probe();
  const files = repeat(deps, signal, async () => {
    // So that no call is sent to find out: at the start, and whether its disk or bucket is still ours from then on.
    if (!deps.breaker.isOpen) await isStorageWell(deps, look);
    look = () => deps.store.assertOurs();
    await drainBytes(deps, putOff, signal);
    failures = deps.breaker.isOpen ? failures + 1 : 0;
    return failures === 0 ? IDLE_MS : Math.min(LONGEST_PROBE_MS, FIRST_PROBE_MS * 2 ** Math.min(failures, 10));
  });
  const notBefore: Pauses = new Map();
  const rest = repeat(deps, signal, async () => {
    return (await drainOthers(deps, notBefore, signal)) ? WAITING_MS : IDLE_MS;
  });
  const here = repeat(
    deps,
    signal,
    buildSayer(deps, (ids) => sayAreHere(deps, ids, signal)),
  );
  return {
    firstLook: Promise.all([files.first, rest.first]),
    async stop() {
      stopping.abort();
      await Promise.all([files.running, rest.running, here.running]);
    },
  };
}

/** Runs `look` again and again; it says how long to wait until the next time, unless the bell rings. */
function repeat(
  deps: Deps,
  signal: AbortSignal,
  look: () => Promise<number>,
): { first: Promise<void>; running: Promise<void> } {
  const first = Promise.withResolvers<void>();
  const ear = deps.drainBell.listen();
  const lookOrLog = async (): Promise<number> => {
    try {
      return await look();
    } catch (error) {
      deps.log.warn({ err: error }, 'the spool could not be drained');
      return IDLE_MS;
    } finally {
      first.resolve();
    }
  };
  const run = async (): Promise<void> => {
    while (!signal.aborted) {
      const pauseMs = await lookOrLog();
      await ear.untilRung(pauseMs, signal);
    }
  };
  return { first: first.promise, running: run() };
}

/**
 * Files of this host, then copies of others'. Closes the breaker when the storage has taken all of them but what it refuses, which
 * is tried again behind that.
 */
async function drainBytes(deps: Deps, putOff: PutOff, signal: AbortSignal): Promise<void> {
  const local = await deps.ownAnswers.list();
  const { usedBytes } = await deps.spool.use();
  deps.metrics.spoolAnswers.set(local.length);
  deps.metrics.spoolBytes.set(usedBytes);
  const copied = await listCopied(deps.steps);
  putOff.keep([...local, ...copied]);
  deps.metrics.spoolAnswersRefused.set(putOff.size);
  const works: Work[] = [
    ...local.map((id) => ({ id, drain: () => drainLocal(deps, id) })),
    ...copied.map((id) => ({ id, drain: () => drainCopy(deps, id) })),
  ];
  const refused = works.filter(({ id }) => putOff.has(id));
  const others = works.filter(({ id }) => !putOff.has(id));
  if (!(await drainAll(deps, others, putOff, signal))) return sayAreHere(deps, local, signal);
  if (deps.breaker.isOpen && (await isStorageWell(deps, () => deps.store.probe()))) deps.breaker.close();
  const areAllTried = await drainAll(deps, refused, putOff, signal);
  const left = areAllTried ? local.filter((id) => putOff.has(id)) : local;
  await sayAreHere(deps, left, signal);
}

interface Work {
  readonly id: AnswerId;
  readonly drain: () => Promise<Drained>;
}

/** False when the storage turns out to be away. */
async function drainAll(deps: Deps, works: readonly Work[], putOff: PutOff, signal: AbortSignal): Promise<boolean> {
  for (const { id, drain } of works) {
    // Also of a copy, which is refused like its file.
    if (!putOff.isDue(id, Date.now())) continue;
    const end = signal.aborted ? 'away' : await oneOf(deps, id, drain);
    if (end === 'away') return false;
    if (end === 'refused') putOff.add(id, Date.now());
    deps.metrics.spoolAnswersRefused.set(putOff.size);
  }
  return true;
}

/** One that fails for a reason of its own is not to hold up those behind it. */
async function oneOf(deps: Deps, id: AnswerId, work: () => Promise<Drained | null>): Promise<Look> {
  try {
    return await underLease(deps, id, work);
  } catch (error) {
    deps.log.error({ err: error, ...id }, 'a spooled answer could not be drained');
    return 'failed';
  }
}

/** Of answers that are not tried now, while the storage is away all but the oldest: that this host has them is said all the same. */
async function sayAreHere(deps: Deps, local: readonly AnswerId[], signal: AbortSignal): Promise<void> {
  const untils = await untilOf(deps.steps, local);
  const due = local.filter((_, place) => isToBeSaid(untils[place] ?? null));
  for (const id of due) {
    if (signal.aborted) return;
    await oneOf(deps, id, async () => {
      await sayFileIsHere(deps, id, () => readFile(deps, id));
      return 'host';
    });
  }
}

/** null: another has it just now. */
async function underLease(deps: Deps, id: AnswerId, work: () => Promise<Drained | null>): Promise<Drained | null> {
  const lease = await takeLease(deps, answerLeaseOf(deps, id));
  if (lease === null) return null;
  try {
    return await work();
  } finally {
    await lease.release();
  }
}

/** Puts the file of an answer into storage, if this host has one, and removes it once nothing of it waits any more. */
export async function drainLocal(deps: Deps, id: AnswerId): Promise<Drained> {
  let file: SpooledAnswer | null = null;
  const read = async (): Promise<SpooledAnswer | null> => {
    file = await readFile(deps, id);
    return file;
  };
  const end = await drainFile(deps, id, read, 'local');
  if (end === 'settled' || end === 'elsewhere') return (await removeFile(deps, id, file)) ? end : 'host';
  // Asked now: it may be Redis that has gone, or another one that answers.
  if (end === 'gone' && (await deps.ownAnswers.isMarkedOurs(id))) {
    deps.log.error({ ...id }, 'a spooled answer belongs to no job that is kept: its file was put aside');
    await deps.spool.putAside(id);
  }
  return end;
}

/** False when what a link led to has joined the file since: a worker that was frozen removes no more than it has stored. */
async function removeFile(deps: Deps, id: AnswerId, drained: SpooledAnswer | null): Promise<boolean> {
  const { links } = (drained?.about['waits'] ?? {}) as Partial<SpooledAnswerRow>;
  const now = links === undefined ? null : await readFile(deps, id);
  if (now !== null && now.images.length > (drained?.images.length ?? 0)) return false;
  await deps.spool.remove(id);
  return true;
}

/** null when there is none any more; an answer whose file is damaged is given up unless there is a copy. */
async function readFile(deps: Deps, id: AnswerId): Promise<SpooledAnswer | null> {
  try {
    return await deps.spool.read(id);
  } catch (error) {
    if (!(error instanceof SpoolFormatError)) throw error;
    deps.log.error({ err: error, ...id }, 'a file in the spool can’t be read: it was put aside');
    if ((await readCopy(deps.steps, id)) === null) await giveUp(deps, id, 'its file in the spool was damaged');
    return null;
  }
}

async function drainCopy(deps: Deps, id: AnswerId): Promise<Drained> {
  const end = await drainFile(deps, id, () => readCopied(deps, id), 'copy');
  if (end === 'gone') await forgetSpooled(deps.steps, id);
  if (end === 'elsewhere') await dropCopy(deps.steps, id);
  return end;
}

/** null when there is none any more, or none that can be read. */
async function readCopied(deps: Deps, id: AnswerId): Promise<SpooledAnswer | null> {
  const copy = await readCopy(deps.steps, id);
  const answer = copy === null ? null : decodeCopy(deps, id, copy);
  if (copy !== null && answer === null) await dropCopy(deps.steps, id);
  return answer;
}

function decodeCopy(deps: Deps, id: AnswerId, copy: Buffer): SpooledAnswer | null {
  try {
    return decodeAnswer(copy);
  } catch (error) {
    if (!(error instanceof SpoolFormatError)) throw error;
    deps.log.error({ err: error, ...id }, 'the copy of a spooled answer can’t be read: it was dropped');
    return null;
  }
}

/** What has been looked at, by entry and its time. */
type Pauses = Map<string, Pause>;

/**
 * Answers whose bytes are neither here nor in Redis: links, and those on other hosts until their time is over. While the
 * storage is away the links of all others too. Whether links are waited for.
 */
async function drainOthers(deps: Deps, notBefore: Pauses, signal: AbortSignal): Promise<boolean> {
  await forgetLinks(deps);
  const copied = new Set((await listCopied(deps.steps)).map(entryOf));
  const answers = (await listSpooled(deps.steps, MOST_LISTED)).map((answer) => {
    return { ...answer, entry: entryOf(answer.id), key: `${entryOf(answer.id)} ${answer.until}` };
  });
  const known = new Set(answers.map(({ key }) => key));
  for (const key of notBefore.keys()) if (!known.has(key)) notBefore.delete(key);
  const isOurs = (entry: string): boolean => deps.breaker.isOpen || !copied.has(entry);
  const due = answers.filter(({ key, entry }) => isOurs(entry) && (notBefore.get(key)?.at ?? 0) <= Date.now());
  let isWaiting = false;
  const left = due.values();
  const follow = async (): Promise<void> => {
    for (const { id, entry, key, until } of left) {
      if (signal.aborted) return;
      const end = await oneOf(deps, id, () => drainListed(deps, id, copied.has(entry), signal));
      isWaiting ||= end === 'links';
      const next = nextLook(end, notBefore.get(key), until, Date.now());
      if (next !== null) notBefore.set(key, next);
    }
  };
  await Promise.all(Array.from({ length: LINKS_AT_ONCE }, follow));
  return isWaiting;
}

/** Lanes go on when others have settled what they stopped for. */
async function forgetLinks({ linkBreaker, steps }: Deps): Promise<void> {
  const pending = linkBreaker.pending();
  const untils = await untilOf(steps, pending);
  linkBreaker.settled(pending.filter((_, place) => untils[place] === null));
}

async function drainListed(deps: Deps, id: AnswerId, isCopied: boolean, signal: AbortSignal): Promise<Drained | null> {
  if (await deps.spool.has(id)) {
    // With storage at hand the file goes there first.
    return deps.breaker.isOpen ? followIntoFile(deps, id, () => readFile(deps, id), signal) : null;
  }
  const end = await drainRest(deps, id, isCopied ? () => readCopied(deps, id) : null, signal);
  if (end === 'gone') await forgetSpooled(deps.steps, id);
  return end;
}
