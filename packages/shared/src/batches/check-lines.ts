// Checks all lines of a batch's input, before anything is spent. Memory stays small: one line at a time, and the hashes
// of the custom ids.
import { createHash } from 'node:crypto';
import type { ImageStore } from '../images/store.ts';
import { type BatchEndpoint, parseBatchLine } from '../requests/batch-line.ts';
import type { Submission } from '../requests/submission.ts';
import type { ValidateContext } from '../requests/validate.ts';
import { type InputLine, LONGEST_LINE_BYTES, readLines } from './lines.ts';
import type { BatchProblem } from './record.ts';

/** OpenAI's limit (openai-images.md 7, read 2026-11-22). */
const MOST_LINES = 50_000;
/** Problems that are told; the others are counted. */
const MOST_PROBLEMS = 1_000;
/** Lines checked between two breaths of the event loop: other work of the process goes on meanwhile. */
const LINES_A_TURN = 100;
const DUPLICATE = 'duplicate_custom_id';

export interface CheckedLines {
  readonly total: number;
  /** Lines with at least one problem. */
  readonly invalid: number;
  readonly problems: readonly BatchProblem[];
  /** Lines whose custom_id stands on an earlier one. */
  readonly duplicates: readonly number[];
  /** The file as a whole can't be a batch: empty, or too many lines. */
  readonly isHopeless: boolean;
}

/**
 * `onLine` sees every valid line; its images are references still, to be fetched and measured when it is fed. Throws
 * StorageError when storage is away.
 */
export async function checkLines(
  store: ImageStore,
  key: string,
  endpoint: BatchEndpoint | null,
  context: ValidateContext,
  onLine: (submission: Submission) => void = () => undefined,
): Promise<CheckedLines> {
  const seen = new Set<string>();
  const problems: BatchProblem[] = [];
  const duplicates: number[] = [];
  let total = 0;
  let invalid = 0;
  for await (const line of readLines(store, key, { byte: 0, line: 0 })) {
    total += 1;
    if (total > MOST_LINES) return hopeless(total, `A batch has at most ${MOST_LINES} requests.`, 'too_many_requests');
    const found = problemsOf(line, endpoint, context, seen, onLine);
    if (found.length > 0) invalid += 1;
    if (found.some(({ code }) => code === DUPLICATE)) duplicates.push(line.number);
    problems.push(...found.slice(0, MOST_PROBLEMS - problems.length));
    if (total % LINES_A_TURN === 0) await new Promise(setImmediate);
  }
  if (total === 0) return hopeless(0, 'The input file has no requests.', 'empty_file');
  return { total, invalid, problems, duplicates, isHopeless: false };
}

function hopeless(total: number, message: string, code: string): CheckedLines {
  return {
    total,
    invalid: 0,
    problems: [{ code, line: null, message, param: null }],
    duplicates: [],
    isHopeless: true,
  };
}

function problemsOf(
  line: InputLine,
  endpoint: BatchEndpoint | null,
  context: ValidateContext,
  seen: Set<string>,
  onLine: (submission: Submission) => void,
): BatchProblem[] {
  const at = (code: string, message: string, param: string | null): BatchProblem => ({
    code,
    line: line.number,
    message,
    param,
  });
  if (line.isTooLong) return [at('line_too_long', `A line has at most ${LONGEST_LINE_BYTES} bytes.`, null)];
  const parsed = parseBatchLine(line.text, endpoint, context);
  const found = parsed.ok
    ? []
    : parsed.problems.map((problem) => at(problem.code ?? 'invalid_value', problem.message, problem.param));
  if (parsed.customId !== null && !isNew(seen, parsed.customId)) {
    found.push(
      at(DUPLICATE, `The custom_id '${parsed.customId.slice(0, 64)}' stands on an earlier line.`, 'custom_id'),
    );
  }
  if (parsed.ok && found.length === 0) onLine(parsed.submission);
  return found;
}

/** 22 characters a line instead of up to 512. */
function isNew(seen: Set<string>, customId: string): boolean {
  const hash = createHash('sha256').update(customId).digest('base64url').slice(0, 22);
  if (seen.has(hash)) return false;
  seen.add(hash);
  return true;
}
