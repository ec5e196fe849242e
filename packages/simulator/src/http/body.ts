/** Reads a request body into memory, bounded. */
import type { IncomingMessage } from 'node:http';

export class BodyTooLarge extends Error {
  readonly maxBytes: number;
  constructor(maxBytes: number) {
    super(`the request body is larger than ${maxBytes} bytes`);
    this.maxBytes = maxBytes;
  }
}

/** The client went away before its body was complete. */
export class BodyAborted extends Error {}

/** Throws BodyTooLarge past `maxBytes` and BodyAborted when the client hangs up midway. */
export async function readBody(req: IncomingMessage, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of req as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > maxBytes) throw new BodyTooLarge(maxBytes);
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof BodyTooLarge) throw error;
    throw new BodyAborted('the client hung up before its body was complete', { cause: error });
  }
  return Buffer.concat(chunks, bytes);
}

/** A control route was sent something that is not a JSON object. */
export class NotAJsonObject extends Error {}

const MAX_CONTROL_BYTES = 4 * 1024 * 1024;

/** Reads a small JSON object (control routes); an empty body is an empty object. Throws NotAJsonObject. */
export async function readJsonObject(req: IncomingMessage): Promise<Record<string, unknown>> {
  const text = (await readBody(req, MAX_CONTROL_BYTES)).toString('utf8');
  if (text.trim() === '') return {};
  const value = parseJson(text);
  if (!isObject(value)) throw new NotAJsonObject('the body must be a JSON object');
  return value;
}

/** The parsed value, or undefined if the text is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
