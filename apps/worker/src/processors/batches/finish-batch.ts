// `finalizing`: writes the output and the error file, line by line in the order of the input, and ends the batch. Every
// request stands in exactly one of them. A crash in the middle begins again: the files have fixed ids.

import { type PublicError, toPublicError } from '@darkroom/shared/base/errors.ts';
import { batchFileIdOf, batchJobIdOf } from '@darkroom/shared/base/ids.ts';
import { RedisReplyError } from '@darkroom/shared/base/redis-reply.ts';
import { type InputLine, problemOfDamage, readLines } from '@darkroom/shared/batches/lines.ts';
import {
  hasOutput,
  notMade,
  type OutputLine,
  type ReadBase64,
  toFailureLine,
  toInvalidLine,
  toResultLine,
} from '@darkroom/shared/batches/output-line.ts';
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import { moveBatch } from '@darkroom/shared/batches/steps.ts';
import { readUnmade } from '@darkroom/shared/batches/unmade-lines.ts';
import { createFile } from '@darkroom/shared/files/file-store.ts';
import { type LinkMaker, toPublicJob } from '@darkroom/shared/jobs/public-job.ts';
import { type ReadRecord, readJobs } from '@darkroom/shared/jobs/store.ts';
import { parseBatchLine } from '@darkroom/shared/requests/batch-line.ts';
import type { ValidateContext } from '@darkroom/shared/requests/validate.ts';
import type { Deps } from '../../deps.ts';
import { readLinkMaker } from '../../links.ts';
import { keepJobsWithBatch } from './keep-jobs.ts';
import { readValidationContext } from './validation-context.ts';

type Kind = 'output' | 'errors';
const LINES_A_CHUNK = 100;
/** Lines may hold images as data URLs. */
const CHARACTERS_A_CHUNK = 8_388_608;
/** 50,000 lines of ten base64 images each would not end; a file this large is refused by any reader. */
const MOST_BYTES = 64 * 1_024 ** 3;

interface Writing {
  readonly deps: Deps;
  readonly record: BatchRecord;
  readonly linkOf: LinkMaker;
  readonly context: ValidateContext;
  readonly counts: Record<Kind, number>;
  readonly stop: AbortSignal;
}

export async function finishBatch(deps: Deps, record: BatchRecord, stop: AbortSignal): Promise<boolean> {
  const startedAt = Date.now();
  const writing: Writing = {
    deps,
    record,
    linkOf: await readLinkMaker(deps.redis, deps.keys, deps.config),
    context: await readValidationContext(deps, record.spec.account),
    counts: { output: 0, errors: 0 },
    stop,
  };
  const outputFileId = await writeFile(writing, 'output');
  const errorFileId = await writeFile(writing, 'errors');
  stop.throwIfAborted();
  await keepJobsWithBatch(deps, record);
  const ending = record.ending ?? 'completed';
  const moved = await moveBatch(deps.batchSteps, record, 'finalizing', ending, {
    total: writing.counts.output + writing.counts.errors,
    completed: writing.counts.output,
    failed: writing.counts.errors,
    outputFileId,
    errorFileId,
  });
  deps.log.info({ batchId: record.id, status: ending, ...writing.counts, ms: Date.now() - startedAt }, 'batch ended');
  return moved;
}

/** The file's id; null when it would be empty: then there is no file. */
async function writeFile(writing: Writing, kind: Kind): Promise<string | null> {
  const { deps, record, stop } = writing;
  const lines = linesOf(writing, kind);
  const first = await lines.next();
  if (first.done === true) return null;
  const id = batchFileIdOf(record.id, kind, record.run);
  await createFile(deps, {
    id,
    account: record.spec.account,
    purpose: 'batch_output',
    filename: `${record.id}_${kind}.jsonl`,
    contentType: 'application/jsonl',
    body: startingWith(first.value, lines),
    maxBytes: MOST_BYTES,
    signal: stop,
  });
  return id;
}

async function* startingWith(first: Buffer, rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
  yield first;
  yield* rest;
}

async function* linesOf(writing: Writing, kind: Kind): AsyncGenerator<Buffer> {
  const { deps, record, counts, stop } = writing;
  for await (const chunk of chunksOf(readLines(deps.store, record.spec.inputKey, { byte: 0, line: 0 }))) {
    stop.throwIfAborted();
    const jobs = await readJobs(
      deps.redis,
      deps.keys,
      chunk.map((line) => batchJobIdOf(record.id, line.number)),
    );
    const without = chunk.filter((_, index) => !jobs[index]).map((line) => line.number);
    const unmade = await readUnmade(deps, record.id, without);
    for (const [index, line] of chunk.entries()) {
      const job = jobs[index] ?? null;
      if (kindOf(job) !== kind) continue;
      counts[kind] += 1;
      yield Buffer.from(`${JSON.stringify(await toLine(writing, line, job, unmade.get(line.number) ?? []))}\n`);
    }
  }
}

function kindOf(job: ReadRecord): Kind {
  return job !== null && !(job instanceof RedisReplyError) && hasOutput(job) ? 'output' : 'errors';
}

async function toLine(
  writing: Writing,
  line: InputLine,
  job: ReadRecord,
  refusals: readonly PublicError[],
): Promise<OutputLine> {
  if (job === null) return lineWithoutJob(writing, line, refusals);
  if (job instanceof RedisReplyError) return lineOfUnreadable(writing, line, job);
  const shown = toPublicJob(job, writing.linkOf);
  if (hasOutput(job)) return toResultLine(job, shown, readBase64Of(writing.deps));
  return toFailureLine(job, shown, writing.record.ending);
}

/** Its images, if there are any, are in storage; the batch is not to wait for them for ever. */
function lineOfUnreadable({ deps, record, context }: Writing, line: InputLine, error: RedisReplyError): OutputLine {
  deps.log.error({ err: error, batchId: record.id, line: line.number }, 'a job of a batch cannot be read');
  const { customId } = parseBatchLine(line.text, record.spec.endpoint, context);
  return toInvalidLine(batchJobIdOf(record.id, line.number), customId, [unreadableProblem()]);
}

/** Refused by validation or for its images (`refusals`), or never fed because the batch was over first. */
function lineWithoutJob({ record, context }: Writing, line: InputLine, refusals: readonly PublicError[]): OutputLine {
  const id = batchJobIdOf(record.id, line.number);
  const parsed = parseBatchLine(line.text, record.spec.endpoint, context);
  if (line.damage !== null) return toInvalidLine(id, null, [problemOfDamage(line.damage)]);
  if (record.duplicates.has(line.number)) return toInvalidLine(id, parsed.customId, [duplicateProblem()]);
  if (!parsed.ok) return toInvalidLine(id, parsed.customId, parsed.problems.map(toPublicError));
  if (refusals.length > 0) return toInvalidLine(id, parsed.customId, refusals);
  return notMade(id, parsed.customId, record.ending === 'cancelled' ? 'cancelled' : 'expired');
}

function readBase64Of(deps: Deps): ReadBase64 {
  return async (image) => {
    const bytes = await deps.store.read(image.key);
    return bytes === null ? null : Buffer.from(bytes).toString('base64');
  };
}

async function* chunksOf(lines: AsyncGenerator<InputLine>): AsyncGenerator<InputLine[]> {
  let chunk: InputLine[] = [];
  let characters = 0;
  for await (const line of lines) {
    chunk.push(line);
    characters += line.text.length;
    if (chunk.length < LINES_A_CHUNK && characters < CHARACTERS_A_CHUNK) continue;
    yield chunk;
    chunk = [];
    characters = 0;
  }
  if (chunk.length > 0) yield chunk;
}

function unreadableProblem(): PublicError {
  const message = "The record of this request's job cannot be read: images it may have made are not listed here.";
  return { message, type: 'server_error', param: null, code: 'internal_error' };
}

function duplicateProblem(): PublicError {
  const message = 'The custom_id of this request stands on an earlier line.';
  return { message, type: 'invalid_request_error', param: 'custom_id', code: 'duplicate_custom_id' };
}
