// One file out of a form, streamed, with its fields before or after it. As the fields may come last (the openai SDK sends
// them so), what is wrong with them may show only when the file has been read: then its stream fails at its end, and
// whoever stores it stores nothing.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { missing, unknownParameter, wrongType } from '@darkroom/shared/requests/problems.ts';
import type { Multipart, MultipartFile } from '@fastify/multipart';
import type { FastifyRequest } from 'fastify';
import { assertForm, toBrokenForm } from './forms.ts';

/** What a form may hold beside its file: each field's name, and what is wrong with a value. */
export type Fields = Readonly<Record<string, (value: string) => ServiceError | null>>;

export interface Upload {
  /** Safe to show and to put in a header; at most 255 characters. */
  readonly filename: string;
  /** To be read once and at once. Throws a ServiceError when the form turns out to be wrong or cut off. */
  readonly body: AsyncIterable<Uint8Array>;
  /** The fields read so far; all of them when the body has been read. */
  readonly fields: ReadonlyMap<string, string>;
}

const FILE = 'file';
const LONGEST_FILENAME = 255;
/** Line breaks, other controls, and marks that turn the direction of text. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu;

/** Reads up to the file. Throws a ServiceError for all problems of the fields so far, before any of the file is read. */
export async function openUpload(request: FastifyRequest, fields: Fields): Promise<Upload> {
  assertForm(request);
  const form = new Form(request, fields);
  const file = await form.readToFile();
  return { filename: toFilename(file.filename), body: form.readOn(file.file), fields: form.values };
}

class Form {
  readonly #parts: AsyncIterator<Multipart>;
  readonly #fields: Fields;
  readonly #seen = new Set<string>();
  readonly #problems: ServiceError[] = [];
  readonly values = new Map<string, string>();

  constructor(request: FastifyRequest, fields: Fields) {
    this.#parts = request.parts();
    this.#fields = fields;
  }

  async readToFile(): Promise<MultipartFile> {
    for (let part = await this.#next(); part !== null; part = await this.#next()) {
      this.#check(part);
      if (part.type === 'field') continue;
      if (this.#problems.length > 0) throw ServiceError.ofProblems(this.#problems);
      return part;
    }
    throw ServiceError.ofProblems([...this.#problems, ...this.#missing()]);
  }

  /** The file's bytes, then the rest of the form is read and checked. */
  async *readOn(file: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* file;
    } catch (error) {
      throw toBrokenForm(error);
    }
    for (let part = await this.#next(); part !== null; part = await this.#next()) {
      this.#check(part);
      // A second file is one too many, or has no name of ours: it need not be read.
      if (part.type === 'file') throw ServiceError.ofProblems(this.#problems);
    }
    const problems = [...this.#problems, ...this.#missing()];
    if (problems.length > 0) throw ServiceError.ofProblems(problems);
  }

  /** What a form that has ended lacks. */
  #missing(): ServiceError[] {
    const names = [FILE, ...Object.keys(this.#fields)];
    return names.filter((name) => !this.#seen.has(name)).map(missing);
  }

  async #next(): Promise<Multipart | null> {
    try {
      const next = await this.#parts.next();
      return next.done === true ? null : next.value;
    } catch (error) {
      throw toBrokenForm(error);
    }
  }

  #check(part: Multipart): void {
    const problem = this.#problemOf(part);
    this.#seen.add(part.fieldname);
    if (problem !== null) this.#problems.push(problem);
  }

  #problemOf(part: Multipart): ServiceError | null {
    const name = part.fieldname ?? '';
    if (name !== FILE && !Object.hasOwn(this.#fields, name)) return this.#unknown(name);
    if (this.#seen.has(name)) return givenTwice(name);
    if (part.type === 'file') return name === FILE ? null : wrongType(name, 'a string', {});
    if (name === FILE) return wrongType(FILE, 'a file (a part with a filename)', part.value);
    if (typeof part.value !== 'string') return wrongType(name, 'a string', part.value);
    this.values.set(name, part.value);
    return this.#fields[name]?.(part.value) ?? null;
  }

  #unknown(name: string): ServiceError {
    return unknownParameter(name, [FILE, ...Object.keys(this.#fields)]);
  }
}

function givenTwice(name: string): ServiceError {
  return new ServiceError('invalid_value', `Parameter '${name}' is given more than once.`, { param: name });
}

/** A caller's name of a file without folders and without what could deceive or break a line; never empty. */
export function toFilename(given: string | undefined): string {
  const plain = (given ?? '')
    .toWellFormed()
    .replace(UNSAFE, '')
    .replace(/^.*[\\/]/s, '')
    .trim();
  return Array.from(plain).slice(0, LONGEST_FILENAME).join('') || 'upload';
}
