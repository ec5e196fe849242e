// Never pay twice, never lose a paid image: what the upstream billed against what Darkroom asked for, recorded and stored.
import type { HeardEvent } from '../load/notes.ts';
import type { AttemptBook, Books, Findings, JobBook, Violation } from './books.ts';
import { frozenMs, isCutOff, isDown, killAfter } from './processes.ts';
import { hasBrought, isFlagged, type Purchase, purchasesOf } from './purchases.ts';

/** A worker has stored or spooled what it was answered within this, and noted it. */
const KEEP_WITHIN_MS = 8_000;
/** CALL_TIMEOUT_MS of the run, less what the clocks may differ by. */
const TIMEOUT_MS = 7_800;

type Fate =
  | 'stored'
  | 'stored, and not listed by its job'
  | 'answered, and lost with its process'
  | 'answered, but its link died'
  | 'answered after another attempt had brought the image'
  | 'not answered: in flight at a kill'
  | 'not answered: lost upstream or on the way'
  | 'spooled and missing'
  | 'answered and missing';

export function auditPurchases(books: Books): Findings {
  const purchases = purchasesOf(books);
  const stored = new Map(books.objects.filter(isImage).map(({ sha256, key }) => [sha256, key]));
  const recorded = new Set(books.jobs.flatMap(({ job }) => job.images.map(({ sha256 }) => sha256)));
  const violations: Violation[] = [];
  const fates = new Map<Fate, number>();
  for (const purchase of purchases) {
    if (purchase.attempt === null)
      violations.push(
        toViolation('a request without an attempt', purchase, 'nothing in the records says that it was sent'),
      );
    for (const [place, image] of purchase.images.entries()) {
      const fate = fateOf(books, purchase, stored.has(image.sha256), recorded.has(image.sha256));
      fates.set(fate, (fates.get(fate) ?? 0) + 1);
      const wrong = wrongOf(fate, purchase, place);
      if (wrong !== null) violations.push(toViolation(wrong, purchase, `image ${image.id} (${fate})`));
    }
  }
  const twice = books.jobs.flatMap((job) =>
    boughtTwice(
      books,
      job,
      purchases.filter((one) => one.job === job),
    ),
  );
  for (const { earlier, isShown } of twice)
    if (!isShown)
      violations.push(
        toViolation('bought twice, and not shown', earlier, 'a later attempt bought the same image again'),
      );
  return {
    figures: {
      'answers spooled': books.spooled.length,
      'images billed': books.ledger.images.length,
      ...Object.fromEntries(FATES.map((fate) => [`  ${fate}`, fates.get(fate) ?? 0])),
      'images bought twice': twice.length,
      '  answered, then crashed': twice.filter(({ how }) => how === 'answered').length,
      '  in flight at the kill': twice.filter(({ how }) => how === 'in flight').length,
      '  lost upstream or on the way': twice.filter(({ how }) => how === 'upstream').length,
      '  not shown': twice.filter(({ isShown }) => !isShown).length,
    },
    violations,
  };
}

const FATES: readonly Fate[] = [
  'stored',
  'stored, and not listed by its job',
  'answered, and lost with its process',
  'answered, but its link died',
  'answered after another attempt had brought the image',
  'not answered: in flight at a kill',
  'not answered: lost upstream or on the way',
  'spooled and missing',
  'answered and missing',
];

/** Images scaled down are listed by another hash than they were billed under; the original beside them has it. */
function isImage({ key }: { readonly key: string }): boolean {
  return key.startsWith('images/') && !key.endsWith('.json');
}

function fateOf(books: Books, purchase: Purchase, isStored: boolean, isRecorded: boolean): Fate {
  const { attempt, job, delivered } = purchase;
  if (isStored) return isRecorded || isScaled(job) ? 'stored' : 'stored, and not listed by its job';
  if (isLost(books, purchase)) return 'answered, but its link died';
  if (!isAnswered(books, purchase) || delivered === null) {
    return attempt?.code === 'worker_lost'
      ? 'not answered: in flight at a kill'
      : 'not answered: lost upstream or on the way';
  }
  if (hasTwin(purchase)) return 'answered after another attempt had brought the image';
  if (purchase.spooledAt !== null)
    return wasOvertaken(purchase) ? 'answered after another attempt had brought the image' : 'spooled and missing';
  const { process, at } = delivered;
  const kill = killAfter(books.timeline, process, at);
  if (kill !== null && kill.at - at - frozenMs(books.timeline, process, at, kill.at) <= KEEP_WITHIN_MS)
    return 'answered, and lost with its process';
  if (books.hasLinks && job?.job.errors.some(({ code }) => code === 'result_lost'))
    return 'answered, but its link died';
  if (attempt !== null && at - attempt.at >= TIMEOUT_MS) {
    // Its worker no longer waited for it, or another one had taken the call up by then.
    return job !== null && areThere(job, attempt)
      ? 'answered after another attempt had brought the image'
      : 'not answered: lost upstream or on the way';
  }
  return 'answered and missing';
}

/** The whole reply, images and all, has reached a living worker. */
function isAnswered({ timeline }: Books, { delivered, request }: Purchase): boolean {
  if (delivered === null || delivered.status !== 200 || request.outcome !== 'answered') return false;
  return !isDown(timeline, delivered.process, delivered.at) && !isCutOff(timeline, delivered.process, delivered.at);
}

/** A frozen worker's answer may be spooled after its call was sent again; once it is, the call is not sent again. */
function wasOvertaken({ job, attempt, spooledAt }: Purchase): boolean {
  if (job === null || attempt === null || spooledAt === null) return false;
  return job.attempts.some(({ call, seq, at }) => call === attempt.call && seq > attempt.seq && at <= spooledAt);
}

/** Two attempts of a call whose worker was taken for lost ran side by side, and the other one brought the images. */
function hasTwin({ job, attempt }: Purchase): boolean {
  if (job === null || attempt === null || !areThere(job, attempt)) return false;
  return job.attempts.some(
    (other) =>
      other.call === attempt.call &&
      other.seq !== attempt.seq &&
      other.at <= (attempt.endedAt ?? 0) &&
      attempt.at <= (other.endedAt ?? 0) &&
      (isFlagged(other) || isFlagged(attempt)),
  );
}

function areThere({ job }: JobBook, { images }: AttemptBook): boolean {
  return images.every((index) => job.images.some((image) => image.index === index));
}

/** The job says itself that an image of this attempt was paid for and is lost, or its end said so before a retry. */
function isLost({ hasLinks, streams }: Books, { job, attempt }: Purchase): boolean {
  if (!hasLinks || job === null || attempt?.outcome !== 'succeeded') return false;
  const shown = job.job.errors.filter(({ code }) => code === 'result_lost').map(({ index }) => index);
  const told = attempt.run === job.job.run ? [] : endsOf(streams, job.job.id).flatMap(({ lost }) => lost);
  return attempt.images.some((index) => shown.includes(index) || told.includes(index));
}

function endsOf(streams: Books['streams'], jobId: string): HeardEvent[] {
  return streams.flatMap(({ heard }) => heard).filter(({ subject, once }) => subject === jobId && once === 'end');
}

function isScaled(job: JobBook | null): boolean {
  return /^(256x256|512x512)$/.test(String(job?.job.input['size']));
}

/** What is wrong with the fate of an image, the reply's `place`th; null when nothing is. */
function wrongOf(fate: Fate, purchase: Purchase, place: number): string | null {
  if (hasTwin(purchase)) return null;
  if (fate === 'answered and missing' || fate === 'spooled and missing') return fate;
  if (fate === 'stored' || fate === 'answered, but its link died') return null;
  return mayLack(purchase, purchase.attempt?.images[place]) ? null : `${fate}, and not shown`;
}

interface Twice {
  readonly earlier: Purchase;
  readonly how: 'answered' | 'in flight' | 'upstream';
  readonly isShown: boolean;
}

/** One for each image of the job that was billed again. */
function boughtTwice(books: Books, { job }: JobBook, purchases: readonly Purchase[]): Twice[] {
  const billed = purchases.filter(({ images, attempt }) => images.length > 0 && attempt !== null);
  const indexes = Array.from({ length: job.progress.images_requested }, (_, index) => index);
  return indexes.flatMap((index) =>
    billed
      .filter((one) => boughtIndexes(one).includes(index))
      .toSorted((a, b) => a.request.at - b.request.at)
      .slice(0, -1)
      .map((earlier) => ({
        earlier,
        how: howLost(books, earlier),
        isShown: mayLack(earlier, index) || isLost(books, earlier),
      })),
  );
}

/** Whether it is shown that the image may not have come of it. */
function mayLack({ attempt }: Purchase, index: number | undefined): boolean {
  return attempt !== null && isFlagged(attempt) && !(index !== undefined && hasBrought(attempt, index));
}

/** A short reply has its images in the order asked for. */
function boughtIndexes({ attempt, images }: Purchase): readonly number[] {
  return attempt?.images.slice(0, images.length) ?? [];
}

function howLost(books: Books, purchase: Purchase): Twice['how'] {
  if (purchase.attempt?.code !== 'worker_lost') return 'upstream';
  return isAnswered(books, purchase) ? 'answered' : 'in flight';
}

function toViolation(kind: string, { job, attempt, request, delivered }: Purchase, what: string): Violation {
  return {
    kind,
    jobId: job?.job.id ?? null,
    message: `${what}\n    request ${JSON.stringify(request)}\n    attempt ${JSON.stringify(attempt)}\n    delivered ${JSON.stringify(delivered)}`,
  };
}
