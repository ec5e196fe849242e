// `in_progress`: lines become jobs through a window of outstanding ones, so that a batch of any size takes little of
// Redis, leaves room for others and stops soon when it is cancelled. A chunk is planned first, which fetches the lines'
// images, then fed as a whole; then the cursor is saved. How far jobs may reach is saved before: when a worker dies in between,
// and the batch is cancelled before another goes on, what they were fed is known all the same. Feeding a line again finds the
// job it made.
import { type InputLine, readLines } from '@darkroom/shared/batches/lines.ts';
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import { parseBatchLine } from '@darkroom/shared/requests/batch-line.ts';
import type { ValidateContext } from '@darkroom/shared/requests/validate.ts';
import type { Deps } from '../../deps.ts';
import { feedLine } from './feed-line.ts';
import { hasReferences, type LinePlan, type ParsedLine, planLine } from './plan-line.ts';
import { readValidationContext } from './validation-context.ts';
import { watchBatch } from './watch-batch.ts';

/** Jobs of one batch that have not ended, at most (bullmq.md 2c: 200 to 500). */
const WINDOW = 400;
const LINES_A_CHUNK = 50;
/** Lines of a chunk that have images: fetched at the same time, and lying in temporary files until the chunk is fed. */
const LINES_WITH_IMAGES = 4;

export class Feeder {
  readonly #deps: Deps;
  #lines: AsyncGenerator<InputLine> | null = null;
  /** Where the next line begins. */
  #byte = 0;
  #context: ValidateContext | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Feeds one chunk if there is room; true when there may be more to do at once. */
  async feed(record: BatchRecord, stop: AbortSignal): Promise<boolean> {
    const { redis, keys } = this.#deps;
    if (Date.now() >= record.expiresAt) return false;
    const room = Math.min(LINES_A_CHUNK, WINDOW - (await redis.scard(keys.batchOpenJobs(record.id))));
    if (room <= 0) return false;
    this.#context ??= await readValidationContext(this.#deps, record.spec.account);
    const chunk = await this.#take(record, room, this.#context);
    const last = chunk.at(-1)?.line;
    if (last === undefined || stop.aborted) return false;
    const plans = await planChunk(this.#deps, record, chunk, this.#context, stop);
    if (plans === null) {
      await this.close();
      return true;
    }
    if (last.number > record.reachedLine) await redis.hset(keys.batch(record.id), 'reachedLine', last.number);
    await feedChunk(this.#deps, record, plans);
    const cursor = {
      cursorByte: last.nextByte,
      cursorLine: last.number,
      fedLine: Math.max(record.fedLine, last.number),
    };
    await redis.hset(keys.batch(record.id), cursor);
    this.#byte = last.nextByte;
    return true;
  }

  /** Forgets where it was reading; the next feed begins at the record's cursor. */
  async close(): Promise<void> {
    const lines = this.#lines;
    this.#lines = null;
    this.#context = null;
    await lines?.return(undefined);
  }

  async #take(record: BatchRecord, count: number, context: ValidateContext): Promise<ParsedLine[]> {
    // A batch that was opened again right at its end begins anew.
    if (this.#byte !== record.cursor.byte) await this.close();
    this.#byte = record.cursor.byte;
    this.#lines ??= readLines(this.#deps.store, record.spec.inputKey, record.cursor);
    const taken: ParsedLine[] = [];
    while (taken.length < count && taken.filter(hasReferences).length < LINES_WITH_IMAGES) {
      const next = await this.#lines.next();
      if (next.done === true) break;
      taken.push(parseLine(record, next.value, context));
    }
    return taken;
  }
}

function parseLine(record: BatchRecord, line: InputLine, context: ValidateContext): ParsedLine {
  const isRefused = line.damage !== null || record.duplicates.has(line.number);
  if (isRefused) return { line, parsed: { ok: false, customId: null, problems: [] } };
  return { line, parsed: parseBatchLine(line.text, record.spec.endpoint, context) };
}

/** null when the batch was cancelled or its time ended meanwhile. Throws when storage or Redis is away. */
async function planChunk(
  deps: Deps,
  record: BatchRecord,
  chunk: readonly ParsedLine[],
  context: ValidateContext,
  stop: AbortSignal,
): Promise<LinePlan[] | null> {
  const watch = watchBatch(deps, record);
  try {
    const signal = AbortSignal.any([stop, watch.over]);
    const ends = await Promise.allSettled(chunk.map((line) => planLine(deps, record, line, context, signal)));
    const plans = ends.flatMap((end) => (end.status === 'fulfilled' ? [end.value] : []));
    const failed = ends.find((end) => end.status === 'rejected');
    if (!failed && !signal.aborted) return plans;
    await release(deps, plans);
    if (failed && !watch.over.aborted) throw failed.reason;
    return null;
  } finally {
    watch.close();
  }
}

/** All lines are fed, or tried, before this ends: a chunk that is fed again never meets itself. */
async function feedChunk(deps: Deps, record: BatchRecord, plans: readonly LinePlan[]): Promise<void> {
  const ends = await Promise.allSettled(plans.map((plan) => feedLine(deps, record, plan)));
  await release(deps, plans);
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}

async function release(deps: Deps, plans: readonly LinePlan[]): Promise<void> {
  await deps.desk.release(plans.flatMap((plan) => ('held' in plan ? plan.held : [])));
}
