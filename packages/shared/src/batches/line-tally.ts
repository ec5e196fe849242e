// Adds up what the check of a batch's lines finds, in their order, though the images of several lines are looked at together.
import type { ServiceError } from '../base/errors.ts';
import type { Submission } from '../requests/submission.ts';
import type { InputLine } from './lines.ts';
import type { BatchProblem } from './record.ts';

export const DUPLICATE = 'duplicate_custom_id';
/** Problems that are told; the others are counted. */
const MOST_PROBLEMS = 1_000;
/** Lines whose images are looked at together, and how many characters they may have. */
const IMAGES_A_TURN = 32;
const CHARACTERS_A_TURN = 8_000_000;

/** A line that was looked at; `images` are its problems still to come. */
export interface Look {
  readonly line: InputLine;
  readonly found: readonly BatchProblem[];
  readonly images: Promise<readonly [PromiseSettledResult<readonly ServiceError[]>]> | null;
  readonly submission: Submission | null;
}

/** What was found, in the order of the lines. */
export class Tally {
  readonly problems: BatchProblem[] = [];
  readonly duplicates: number[] = [];
  invalid = 0;
  invalidImages = 0;
  readonly #onLine: (submission: Submission) => void;
  #open: Look[] = [];
  #images = 0;
  #characters = 0;

  constructor(onLine: (submission: Submission) => void) {
    this.#onLine = onLine;
  }

  get isFull(): boolean {
    return this.#images >= IMAGES_A_TURN || this.#characters >= CHARACTERS_A_TURN;
  }

  add(look: Look): void {
    this.#open.push(look);
    if (look.images === null) return;
    this.#images += 1;
    this.#characters += look.line.text.length;
  }

  async settle(): Promise<void> {
    const looks = this.#open;
    [this.#open, this.#images, this.#characters] = [[], 0, 0];
    for (const look of looks) this.#count(look, (await look.images)?.[0] ?? null);
  }

  #count({ line, found, submission }: Look, images: PromiseSettledResult<readonly ServiceError[]> | null): void {
    if (images?.status === 'rejected') throw images.reason;
    const ofImages = (images?.value ?? []).map((problem) => toBatchProblem(line, problem));
    const all = [...found, ...ofImages];
    if (all.length > 0) this.invalid += 1;
    else if (submission !== null) this.#onLine(submission);
    if (found.length === 0 && ofImages.length > 0) this.invalidImages += 1;
    if (found.some(({ code }) => code === DUPLICATE)) this.duplicates.push(line.number);
    this.problems.push(...all.slice(0, MOST_PROBLEMS - this.problems.length));
  }
}

export function toBatchProblem({ number }: InputLine, { code, message, param }: ServiceError): BatchProblem {
  return { code: code ?? 'invalid_value', line: number, message, param };
}
