// Events as they are sent: read from the outbox, given an id that never changes, written as a body under 20 kB.
import { eventIdOf } from '../base/ids.ts';

/** Standard Webhooks asks for less than this, in bytes. */
export const MOST_BODY_BYTES = 20_000;
/** Longest texts (errors, warnings) that are tried one after the other until the body fits. */
const TEXT_LENGTHS = [Number.POSITIVE_INFINITY, 200, 40];

/** A line of the outbox: what happened, to what, the how-manieth event of it that was. */
export interface OutboxEvent {
  readonly id: string;
  readonly type: string;
  /** The job or batch. */
  readonly subject: string;
  readonly run: number;
  readonly sequence: number;
  /** Index of the image; null when it is not about one. */
  readonly image: number | null;
}

/** `<type> <job or batch id> <run> <sequence> <image index or ->`, as jobs/lua/lib.lua writes it; null for anything else. */
export function parseOutboxLine(line: string): OutboxEvent | null {
  const match = /^([a-z_]+\.[a-z_]+) ((?:job|batch)_[0-9a-z-]+) (\d+) (\d+) (-|\d+)$/.exec(line);
  if (match === null) return null;
  const [, type = '', subject = '', run, sequence, image] = match;
  const facts = { type, subject, run: Number(run), sequence: Number(sequence) };
  return {
    id: eventIdOf(subject, facts.sequence),
    ...facts,
    image: image === '-' ? null : Number(image),
  };
}

/** The data of a job's event with its texts cut to a length; nothing else of it can be long (metadata has its own limit). */
export function withShortTexts<Data extends JobTexts>(data: Data, longest: number): Data {
  const shorten = <Problem extends { message?: string }>(problem: Problem): Problem =>
    problem.message === undefined ? problem : { ...problem, message: cut(problem.message, longest) };
  return {
    ...data,
    errors: data.errors.map(shorten),
    error: data.error === null ? null : shorten(data.error),
    warnings: data.warnings.map((warning) => cut(warning, longest)),
  };
}

interface JobTexts {
  readonly errors: readonly { message?: string }[];
  readonly error: { message?: string } | null;
  readonly warnings: readonly string[];
}

/** Ends in `…` when something is missing; never in half a character. */
function cut(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/**
 * The body of an event. `dataOf` gives its data with texts cut to a length: in full, unless that is too large; what is
 * cut ends in `…`. Nothing but texts is ever shed.
 */
export function toEventBody(
  event: Pick<OutboxEvent, 'id' | 'type' | 'sequence'>,
  createdAtMs: number,
  dataOf: (longestText: number) => unknown,
): string {
  let body = '';
  for (const length of TEXT_LENGTHS) {
    body = JSON.stringify({
      id: event.id,
      object: 'event',
      type: event.type,
      created_at: Math.floor(createdAtMs / 1_000),
      sequence: event.sequence,
      data: dataOf(length),
    });
    if (Buffer.byteLength(body) < MOST_BODY_BYTES) break;
  }
  return body;
}
