// While the images of an answer are being stored they are in memory alone. When that takes more than a moment, or when the
// last put of this process went badly, they are written to this host's spool beside it, and Redis is told and gets a copy if
// they are small: a process that dies meanwhile loses nothing, and nobody else buys it again. Whoever finds the file or the
// copy after a crash drains it like any other.
import { setTimeout as sleep } from 'node:timers/promises';
import type { SpooledAnswer } from '@darkroom/shared/images/spool-file.ts';
import type { AttemptFacts } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { SpooledAnswerRow } from '@darkroom/shared/jobs/record.ts';
import { type AnswerId, noteSpooled } from '@darkroom/shared/jobs/spool-steps.ts';
import type { Deps } from '../deps.ts';
import { type Lease, takeLease } from '../lease.ts';
import { answerLeaseOf } from '../spool/answer-lease.ts';
import type { UpstreamAnswer } from '../upstream/client.ts';
import type { ImageBytes } from './keep-image.ts';
import type { SentAttempt } from './run-call.ts';
import { type AboutAnswer, HOST_PATIENCE_MS, tryToCopy } from './spool-answer.ts';

/** A put that is well takes less: 4 MB, 20 ms on a disk and 100 to 200 ms on S3. */
const MOMENT_MS = 250;

export interface Beside {
  /** Storing is over: no writing begins any more. Resolves when none is under way. */
  stop(): Promise<void>;
  /** The answer is recorded, so its file goes, if there is one. */
  remove(): Promise<void>;
  /** Others may take the answer in hand. */
  release(): Promise<void>;
}

/** Images behind links are left to `links`, which Redis is told of with the answer: `books` settles when it knows. */
export function startSpoolBeside(
  deps: Deps,
  attempt: SentAttempt,
  answer: UpstreamAnswer,
  facts: AttemptFacts,
  links: SpooledAnswerRow | null,
  books: Promise<void>,
): Beside {
  const images = imagesOf(attempt, answer);
  const id = { jobId: attempt.work.record.id, call: attempt.work.call, seq: attempt.gate.seq };
  const stopping = new AbortController();
  let lease: Promise<Lease | null> | null = null;
  const write = async (): Promise<void> => {
    if (images.length === 0 || deps.breaker.isOpen || !(await isLate(deps, stopping.signal))) return;
    // So that those who drain this host's spool leave the answer to us. It saves double work, nothing else.
    lease = takeAnswerLease(deps, id);
    const { until: _, host: __, ...waits } = { until: 0, host: null, ...links, images: answer.images.length };
    const about: AboutAnswer = { facts, waits };
    const file: SpooledAnswer = { ...id, answeredAt: Date.now(), about: { ...about }, images };
    await deps.spool.write(file);
    deps.room.spend(images.reduce((sum, { bytes }) => sum + bytes.length, 0));
    await books;
    if (stopping.signal.aborted) return;
    const until = Math.max(Date.now() + HOST_PATIENCE_MS, links?.until ?? 0);
    const noted = await noteSpooled(deps.steps, id, facts, { ...waits, host: deps.spool.hostId, until });
    // It goes with the note: when the answer is settled, or nothing but its links is left.
    if (noted === 'noted' && !stopping.signal.aborted) await tryToCopy(deps, id, file);
  };
  const written = write().catch((error: unknown) => {
    deps.log.warn(
      { err: error, ...id },
      'a paid answer that is slow to store could not be spooled beside it, or Redis not be told',
    );
  });
  return {
    async stop() {
      stopping.abort();
      await written;
    },
    async remove() {
      await written;
      if (lease !== null) await deps.spool.remove(id);
    },
    async release() {
      await (await lease)?.release();
    },
  };
}

/** False when storing was done before. */
async function isLate({ putTimes }: Deps, signal: AbortSignal): Promise<boolean> {
  if (putTimes.isSuspect) return true;
  await sleep(MOMENT_MS, undefined, { signal }).catch(() => undefined);
  return !signal.aborted;
}

async function takeAnswerLease(deps: Deps, id: AnswerId): Promise<Lease | null> {
  try {
    return await takeLease(deps, answerLeaseOf(deps, id));
  } catch (error) {
    deps.log.warn({ err: error, ...id }, 'the lease of a spooled answer could not be taken');
    return null;
  }
}

function imagesOf(attempt: SentAttempt, answer: UpstreamAnswer): ImageBytes[] {
  return attempt.images.flatMap((index, place) => {
    const image = answer.images[place];
    return image?.kind === 'bytes' ? [{ index, revisedPrompt: image.revisedPrompt, bytes: image.bytes }] : [];
  });
}
