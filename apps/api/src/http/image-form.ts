// The form of an edit or a variation: images go to the desk as they come in, text fields become the body they stand for.
// Parts may come in any order. What is wrong with the form is told together, as far as it was read.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { InputDesk, TakenInput } from '@darkroom/shared/inputs/desk.ts';
import { MODELS, type Operation } from '@darkroom/shared/models/rules.ts';
import { readFormFields } from '@darkroom/shared/requests/form-fields.ts';
import { FORM_SHAPES } from '@darkroom/shared/requests/form-shapes.ts';
import { allOf, type InputSet } from '@darkroom/shared/requests/inputs.ts';
import { tooMany, unknownParameter, wrongType } from '@darkroom/shared/requests/problems.ts';
import type { Multipart, MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { assertForm, FIELD_BYTES, toBrokenForm } from './forms.ts';

export interface ImageForm {
  readonly fields: Record<string, unknown>;
  /** Of the form and its files; empty when all of it can be read. What it means is checked with the images. */
  readonly problems: readonly ServiceError[];
  /** A file is no image, so what is missing or does not fit together among the images can't be told. */
  readonly lacksFiles: boolean;
  /** Whoever gets them has to release them. */
  readonly uploads: InputSet<TakenInput>;
}

/** What any model takes; the model asked for may take less, and may be named only after the files. */
const MOST_IMAGES = Math.max(...MODELS.map(({ inputImages }) => inputImages?.maxCount ?? 0));
const MOST_IMAGE_BYTES = Math.max(...MODELS.map(({ inputImages }) => inputImages?.belowBytes ?? 0));

/** What the parser puts in the place of bytes that are no UTF-8: a prompt must not be bought with it. */
const REPLACED = '\uFFFD';

const FILE_FIELDS: readonly string[] = ['image', 'image[]', 'mask', 'markup'];

/**
 * Reads the form to its end. Throws a ServiceError for one that can't be read to its end; then, and when the caller leaves,
 * nothing is left on disk. `maxBytes`: of the whole form.
 */
export async function readImageForm(
  desk: InputDesk,
  request: FastifyRequest,
  operation: Operation,
  maxBytes: number,
  signal: AbortSignal,
): Promise<ImageForm> {
  assertForm(request);
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw formTooLarge(maxBytes);
  const form = new Form(desk, maxBytes, signal);
  try {
    await form.read(request.parts());
    const { fields, problems } = readFormFields(operation, form.entries);
    const { lacksFiles } = form;
    return { fields, problems: [...form.problems, ...problems], lacksFiles, uploads: form.uploads() };
  } catch (error) {
    await desk.release(form.held());
    throw error;
  }
}

class Form {
  readonly entries: [name: string, value: string][] = [];
  readonly problems: ServiceError[] = [];
  lacksFiles = false;
  readonly #desk: InputDesk;
  readonly #maxBytes: number;
  readonly #signal: AbortSignal;
  readonly #images: TakenInput[] = [];
  readonly #others = new Map<string, TakenInput>();
  #imageParts = 0;
  #bytes = 0;

  constructor(desk: InputDesk, maxBytes: number, signal: AbortSignal) {
    this.#desk = desk;
    this.#maxBytes = maxBytes;
    this.#signal = signal;
  }

  async read(parts: AsyncIterator<Multipart>): Promise<void> {
    for (let part = await next(parts); part !== null; part = await next(parts)) {
      if (part.type === 'file') await this.#takeFile(part);
      else this.#takeField(nameOf(part), part.value, part.valueTruncated);
    }
  }

  uploads(): InputSet<TakenInput> {
    return { images: this.#images, mask: this.#others.get('mask') ?? null, markup: this.#others.get('markup') ?? null };
  }

  held() {
    return allOf(this.uploads()).map(({ held }) => held);
  }

  #takeField(name: string, value: unknown, isCut: boolean): void {
    if (isCut) this.problems.push(fieldTooLarge(name));
    else if (typeof value === 'string' && value.includes(REPLACED)) this.problems.push(notUtf8(name));
    // A part with a content-type of JSON comes parsed.
    else this.entries.push([name, typeof value === 'string' ? value : JSON.stringify(value)]);
  }

  async #takeFile(part: MultipartFile): Promise<void> {
    const name = nameOf(part);
    const problem = this.#misplaced(name) ?? (await this.#keep(name, this.#bytesOf(part)));
    if (problem === null) return;
    this.problems.push(problem);
    this.lacksFiles ||= FILE_FIELDS.includes(name);
    // What is left of it is read, so that what is wrong with the parts after it is told, too.
    for await (const _ of this.#bytesOf(part));
  }

  /** What is wrong with a file of this name, whatever it holds. Throws when there are too many to go on. */
  #misplaced(name: string): ServiceError | null {
    if (Object.hasOwn(FORM_SHAPES, name)) return wrongType(name, 'a string', {});
    if (!FILE_FIELDS.includes(name)) return unknownParameter(name, FILE_FIELDS);
    if (isImage(name)) {
      this.#imageParts += 1;
      if (this.#imageParts <= MOST_IMAGES) return null;
      throw ServiceError.ofProblems([...this.problems, tooMany('image', MOST_IMAGES, this.#imageParts)]);
    }
    return this.#others.has(name) ? givenTwice(name) : null;
  }

  /** null when the desk has taken it in, else what is wrong with its bytes. */
  async #keep(name: string, body: AsyncIterable<Uint8Array>): Promise<ServiceError | null> {
    const param = isImage(name) ? this.#imageParam(name) : name;
    try {
      const held = await this.#desk.receive(param, body, MOST_IMAGE_BYTES, this.#signal);
      const taken: TakenInput = { image: { param, shown: {}, facts: held.facts }, held };
      if (isImage(name)) this.#images.push(taken);
      else this.#others.set(name, taken);
      return null;
    } catch (error) {
      if (error instanceof ServiceError && error.param === param) return error;
      throw error;
    }
  }

  /** As OpenAI names them: `image` alone, `image[0]` among several. */
  #imageParam(name: string): string {
    return name === 'image' && this.#imageParts === 1 ? 'image' : `image[${this.#imageParts - 1}]`;
  }

  /** Counted against the whole form; a reader that stops early leaves the rest to be read on. */
  async *#bytesOf({ file }: MultipartFile): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of file.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
        this.#bytes += chunk.length;
        if (this.#bytes > this.#maxBytes) throw formTooLarge(this.#maxBytes);
        yield chunk;
      }
    } catch (error) {
      throw error instanceof ServiceError ? error : toBrokenForm(error);
    }
  }
}

async function next(parts: AsyncIterator<Multipart>): Promise<Multipart | null> {
  try {
    const part = await parts.next();
    return part.done === true ? null : part.value;
  } catch (error) {
    throw toBrokenForm(error);
  }
}

/** The parser's types don't say that a part may have none. */
function nameOf(part: { readonly fieldname?: string | undefined }): string {
  return part.fieldname ?? '';
}

function isImage(name: string): boolean {
  return name === 'image' || name === 'image[]';
}

function givenTwice(name: string): ServiceError {
  return new ServiceError('invalid_value', `Parameter '${name}' is given more than once.`, { param: name });
}

function fieldTooLarge(name: string): ServiceError {
  const message = `Invalid '${name}': the field is larger than ${FIELD_BYTES} bytes.`;
  return new ServiceError('string_above_max_length', message, { param: name });
}

function notUtf8(name: string): ServiceError {
  return new ServiceError('invalid_value', `Invalid '${name}': the text must be UTF-8.`, { param: name });
}

function formTooLarge(maxBytes: number): ServiceError {
  return new ServiceError('request_too_large', `The form is larger than ${maxBytes} bytes.`);
}
