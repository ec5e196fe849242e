// Lines of a batch that were fed and made no job: their input images were refused, or the batch took no more jobs. The
// former stand in the error file with their problems; both are tried again when the batch is.
import type { PublicError } from '../base/errors.ts';
import { loadScript, runScript } from '../base/redis.ts';
import type { BatchSteps } from './steps.ts';

const NOTE_UNMADE = loadScript(import.meta.url, 'lua/note-unmade.lua');
const NOTE_MADE = loadScript(import.meta.url, 'lua/note-made.lua');

type Places = Pick<BatchSteps, 'redis' | 'keys'>;

/** `problems`: why it was refused, counted as failed; none when the batch took no more jobs. Safe to repeat. */
export async function noteUnmade(
  { redis, keys }: Places,
  batch: { readonly id: string; readonly run: number },
  line: number,
  problems: readonly PublicError[],
): Promise<void> {
  const hashes = [keys.batch(batch.id), keys.batchUnmade(batch.id)];
  await runScript(redis, NOTE_UNMADE, hashes, [line, batch.run, JSON.stringify(problems)]);
}

/** The line has its job now. Whether it had been noted as unmade. */
export async function noteMade(
  { redis, keys }: Places,
  batch: { readonly id: string; readonly run: number },
  line: number,
): Promise<boolean> {
  const hashes = [keys.batch(batch.id), keys.batchUnmade(batch.id)];
  return (await runScript(redis, NOTE_MADE, hashes, [line, batch.run])) === 1;
}

/** Those of the lines that are noted as unmade, with their problems. */
export async function readUnmade(
  { redis, keys }: Places,
  batchId: string,
  lines: readonly number[],
): Promise<ReadonlyMap<number, readonly PublicError[]>> {
  if (lines.length === 0) return new Map();
  const notes = await redis.hmget(keys.batchUnmade(batchId), ...lines.map(String));
  const found = new Map<number, readonly PublicError[]>();
  for (const [index, line] of lines.entries()) {
    const note = notes[index];
    if (note) found.set(line, (JSON.parse(note) as { problems: PublicError[] }).problems);
  }
  return found;
}
