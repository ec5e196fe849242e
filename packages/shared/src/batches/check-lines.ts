// Checks all lines of a batch's input, before anything is spent. Memory stays small: one line at a time, and the hashes
// of the custom ids.
import { createHash } from 'node:crypto';
import type { ImageStore } from '../images/store.ts';
import { type BatchEndpoint, parseBatchLine } from '../requests/batch-line.ts';
import type { InputImage, InputSet } from '../requests/inputs.ts';
import type { Submission } from '../requests/submission.ts';
import type { ValidateContext } from '../requests/validate.ts';
import type { ImageCheck } from './check-images.ts';
import { DUPLICATE, type Look, Tally, toBatchProblem } from './line-tally.ts';
import { type InputLine, problemOfDamage, readLines } from './lines.ts';
import type { BatchProblem } from './record.ts';

/** OpenAI's limit (openai-images.md 7, read 2026-11-22). */
const MOST_LINES = 50_000;
/** Lines checked between two breaths of the event loop: other work of the process goes on meanwhile. */
const LINES_A_TURN = 100;

export interface CheckedLines {
  readonly total: number;
  /** Lines with at least one problem. */
  readonly invalid: number;
  /** Those of them that are sound but for their images: fed all the same, they are refused then, and looked at anew by a retry. */
  readonly invalidImages: number;
  readonly problems: readonly BatchProblem[];
  /** Lines whose custom_id stands on an earlier one. */
  readonly duplicates: readonly number[];
  /** The file as a whole can't be a batch: empty, or too many lines. */
  readonly isHopeless: boolean;
}

/**
 * `onLine` sees every valid line; its images are references still, to be fetched and measured when it is fed. Throws
 * StorageError when storage is away, and what `checkImages` throws.
 */
export async function checkLines(
  { store, checkImages }: { readonly store: ImageStore; readonly checkImages: ImageCheck },
  key: string,
  endpoint: BatchEndpoint | null,
  context: ValidateContext,
  onLine: (submission: Submission) => void = () => undefined,
): Promise<CheckedLines> {
  const seen = new Set<string>();
  const tally = new Tally(onLine);
  let total = 0;
  for await (const line of readLines(store, key, { byte: 0, line: 0 })) {
    total += 1;
    if (total > MOST_LINES) return hopeless(total, `A batch has at most ${MOST_LINES} requests.`, 'too_many_requests');
    tally.add(lookAt(line, endpoint, context, seen, checkImages));
    if (tally.isFull || total % LINES_A_TURN === 0) await tally.settle();
    if (total % LINES_A_TURN === 0) await new Promise(setImmediate);
  }
  await tally.settle();
  if (total === 0) return hopeless(0, 'The input file has no requests.', 'empty_file');
  const { invalid, invalidImages, problems, duplicates } = tally;
  return { total, invalid, invalidImages, problems, duplicates, isHopeless: false };
}

function hopeless(total: number, message: string, code: string): CheckedLines {
  return {
    total,
    invalid: 0,
    invalidImages: 0,
    problems: [{ code, line: null, message, param: null }],
    duplicates: [],
    isHopeless: true,
  };
}

function lookAt(
  line: InputLine,
  endpoint: BatchEndpoint | null,
  context: ValidateContext,
  seen: Set<string>,
  checkImages: ImageCheck,
): Look {
  const at = (code: string, message: string, param: string | null): BatchProblem => ({
    code,
    line: line.number,
    message,
    param,
  });
  const refused = (found: readonly BatchProblem[]): Look => ({ line, found, images: null, submission: null });
  if (line.damage !== null) {
    const { code, message } = problemOfDamage(line.damage);
    return refused([at(code ?? '', message, null)]);
  }
  const parsed = parseBatchLine(line.text, endpoint, context);
  const found = parsed.ok ? [] : parsed.problems.map((problem) => toBatchProblem(line, problem));
  if (parsed.customId !== null && !isNew(seen, parsed.customId)) {
    found.push(
      at(DUPLICATE, `The custom_id '${parsed.customId.slice(0, 64)}' stands on an earlier line.`, 'custom_id'),
    );
  }
  if (!parsed.ok || found.length > 0) return refused(found);
  const { references } = parsed.submission.request;
  const check = (inputs: InputSet<InputImage> | null) => parseBatchLine(line.text, endpoint, context, inputs);
  const images = references === null ? null : Promise.allSettled([checkImages(references, check)]);
  return { line, found, images, submission: parsed.submission };
}

/** 22 characters a line instead of up to 512. */
function isNew(seen: Set<string>, customId: string): boolean {
  const hash = createHash('sha256').update(customId).digest('base64url').slice(0, 22);
  if (seen.has(hash)) return false;
  seen.add(hash);
  return true;
}
