// `in_progress`: lines become jobs through a window of outstanding ones, so that a batch of any size takes little of
// Redis, leaves room for others and stops soon when it is cancelled. The cursor is saved after each chunk; feeding a line
// again finds the job it made.
import { batchJobIdOf } from '@darkroom/shared/base/ids.ts';
import { type InputLine, readLines } from '@darkroom/shared/batches/lines.ts';
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import { hasEnded } from '@darkroom/shared/jobs/record.ts';
import { retryJob } from '@darkroom/shared/jobs/steps.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { itemsOf, submitSpec, toJobSpec } from '@darkroom/shared/jobs/submit.ts';
import { type BatchLine, parseBatchLine } from '@darkroom/shared/requests/batch-line.ts';
import type { ValidateContext } from '@darkroom/shared/requests/validate.ts';
import type { Deps } from '../../deps.ts';
import { readValidationContext } from './validation-context.ts';

/** Jobs of one batch that have not ended, at most (bullmq.md 2c: 200 to 500). */
const WINDOW = 400;
const LINES_A_CHUNK = 50;

export class Feeder {
  readonly #deps: Deps;
  #lines: AsyncGenerator<InputLine> | null = null;
  #context: ValidateContext | null = null;

  constructor(deps: Deps) {
    this.#deps = deps;
  }

  /** Feeds one chunk if there is room; true when it fed something. */
  async feed(record: BatchRecord, stop: AbortSignal): Promise<boolean> {
    const { redis, keys } = this.#deps;
    if (Date.now() >= record.expiresAt) return false;
    const room = Math.min(LINES_A_CHUNK, WINDOW - (await redis.scard(keys.batchOpenJobs(record.id))));
    if (room <= 0) return false;
    const lines = await this.#take(record, room);
    const last = lines.at(-1);
    if (last === undefined || stop.aborted) return false;
    await Promise.all(lines.map((line) => this.#submit(record, line)));
    const cursor = {
      cursorByte: last.nextByte,
      cursorLine: last.number,
      fedLine: Math.max(record.fedLine, last.number),
    };
    await redis.hset(keys.batch(record.id), cursor);
    return true;
  }

  /** Forgets where it was reading; the next feed begins at the record's cursor. */
  async close(): Promise<void> {
    const lines = this.#lines;
    this.#lines = null;
    this.#context = null;
    await lines?.return(undefined);
  }

  async #take(record: BatchRecord, count: number): Promise<InputLine[]> {
    this.#context ??= await readValidationContext(this.#deps, record.spec.account);
    this.#lines ??= readLines(this.#deps.store, record.spec.inputKey, record.cursor);
    const taken: InputLine[] = [];
    while (taken.length < count) {
      const next = await this.#lines.next();
      if (next.done === true) break;
      taken.push(next.value);
    }
    return taken;
  }

  /** A line that validation refused makes no job; it goes to the error file. */
  async #submit(record: BatchRecord, line: InputLine): Promise<void> {
    if (this.#context === null || line.isTooLong || record.duplicates.has(line.number)) return;
    const parsed = parseBatchLine(line.text, record.spec.endpoint, this.#context);
    if (!parsed.ok) return;
    const id = batchJobIdOf(record.id, line.number);
    const spec = toBatchJobSpec(this.#deps, record, parsed);
    if (line.number <= record.fedLine) await this.#again(record, id, spec.expiresAfterSeconds);
    else await submitSpec(this.#deps.submit, id, spec, null);
  }

  /**
   * A new run of the batch: a job without images goes again, once, with the time the batch has now. A job that is no longer
   * kept is never made a second time: it may have been paid.
   */
  async #again(record: BatchRecord, id: string, expiresAfterSeconds: number): Promise<void> {
    const { redis, keys, steps, queues } = this.#deps;
    const job = await readJob(redis, keys, id);
    if (job === null) return;
    await redis.persist(keys.job(id));
    const hasRun = (job.finishedAt ?? 0) >= (record.at.in_progress ?? 0);
    if (!hasEnded(job) || hasRun || job.images.size > 0) return;
    const retried = await retryJob(steps, id, { ...job.spec, expiresAfterSeconds }, 'batch');
    if (retried.kind === 'retried')
      await queues.add(job.spec.lane, job.spec.priority, itemsOf(id, retried.calls, retried.run));
  }
}

function toBatchJobSpec(
  deps: Deps,
  record: BatchRecord,
  { customId, submission, hasPriority }: Extract<BatchLine, { ok: true }>,
) {
  const leftSeconds = Math.max(1, Math.ceil((record.expiresAt - Date.now()) / 1_000));
  return {
    ...toJobSpec(record.spec.account, submission, deps.submit.imagesPerMinuteOf),
    priority: hasPriority ? submission.priority : record.spec.priority,
    expiresAfterSeconds: Math.min(submission.expiresAfterSeconds, leftSeconds),
    batchId: record.id,
    customId,
  };
}
