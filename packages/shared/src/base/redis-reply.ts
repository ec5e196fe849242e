// Looks at what Redis returned before anything is decided from it. A reply of another shape (another command's, a damaged
// record) stops the step with an error that names its place: taken for «nothing there», it could have an image bought again.
import { isBatchId, isJobId } from './ids.ts';

/** Not what was asked for: nothing may be decided from it. The message names the place, never what stood there. */
export class RedisReplyError extends Error {
  override readonly name = 'RedisReplyError';

  /** `place`: key and field, or the step that answered. */
  constructor(place: string, wanted: string, got: unknown) {
    super(`${place} is not ${wanted} but ${kindOf(got)}`);
  }
}

/** Prompts and secrets may stand there, so only its kind is told. */
function kindOf(value: unknown): string {
  if (value === null || value === undefined) return 'missing';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'string') return `a text of ${value.length} characters`;
  return typeof value === 'number' ? `the number ${value}` : `of type ${typeof value}`;
}

/** A hash as HGETALL returns it; null when there is none. */
export function readHash(reply: unknown, key: string): Readonly<Record<string, string>> | null {
  if (!isObject(reply)) throw new RedisReplyError(key, 'a hash', reply);
  for (const _ in reply) return reply as Record<string, string>;
  return null;
}

/** The object that a text holds as JSON. */
export function readJsonObject(text: unknown, place: string): Readonly<Record<string, unknown>> {
  const value = typeof text === 'string' ? parseOrUndefined(text) : undefined;
  if (!isObject(value)) throw new RedisReplyError(place, 'an object in JSON', text);
  return value;
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // said by who asked, with its place
  }
}

/** What a field must hold: a finite number, a text, a list, an object, or one of these values. */
export type FieldKind = 'number' | 'text' | 'list' | 'object' | ReadonlySet<unknown>;
const KIND_NAMES = { number: 'a number', text: 'a text', list: 'a list', object: 'an object' } as const;
export type Fields = readonly (readonly [name: string, kind: FieldKind])[];

/** Throws for the first field that is missing or of another kind. */
export function assertFields(row: Readonly<Record<string, unknown>>, fields: Fields, place: string): void {
  for (const [name, kind] of fields) {
    if (isOfKind(row[name], kind)) continue;
    throw new RedisReplyError(
      `${place} ${name}`,
      typeof kind === 'string' ? KIND_NAMES[kind] : 'a known value',
      row[name],
    );
  }
}

function isOfKind(value: unknown, kind: FieldKind): boolean {
  switch (kind) {
    case 'number':
      return Number.isFinite(value);
    case 'text':
      return typeof value === 'string';
    case 'list':
      return Array.isArray(value);
    case 'object':
      return isObject(value);
    default:
      return kind.has(value);
  }
}

/** A step's reply that begins with one of `kinds`. */
export function readKind<K>(reply: unknown, kinds: ReadonlySet<K>, step: string): readonly [K, ...unknown[]] {
  if (!Array.isArray(reply) || !kinds.has(reply[0] as K))
    throw new RedisReplyError(step, 'an answer of that step', reply);
  return reply as [K, ...unknown[]];
}

/** What follows the kind: so many numbers, or more. */
export function assertNumbers(values: readonly unknown[], atLeast: number, step: string): asserts values is number[] {
  if (values.length < atLeast || !values.every(Number.isFinite))
    throw new RedisReplyError(step, `${atLeast} numbers`, values);
}

/** One of the words a step answers with. */
export function readWord<K>(reply: unknown, words: ReadonlySet<K>, step: string): K {
  if (!words.has(reply as K)) throw new RedisReplyError(step, 'an answer of that step', reply);
  return reply as K;
}

/** The id of a job or batch. */
export function readId(reply: unknown, step: string): string {
  if (typeof reply !== 'string' || !(isJobId(reply) || isBatchId(reply)))
    throw new RedisReplyError(step, 'an id', reply);
  return reply;
}

/** 1 or 0. */
export function readFlag(reply: unknown, step: string): boolean {
  if (reply !== 1 && reply !== 0) throw new RedisReplyError(step, '1 or 0', reply);
  return reply === 1;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
