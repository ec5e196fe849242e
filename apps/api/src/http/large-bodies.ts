// JSON bodies that may hold images as data URLs: larger than others, so together they are bounded, and dropped as soon as
// their job is recorded, not when their caller has been answered.
import type { IncomingMessage } from 'node:http';
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { FastifyRequest } from 'fastify';
import type { App } from './app.ts';
import { assertPlain, BODY_LIMIT_BYTES, bodyTooLarge, parseJson } from './json-body.ts';

/** Room for OpenAI's largest data URL (20,971,520 characters; openai-images.md 2.4, read 2026-11-22) and a few more. */
export const LARGE_BODY_BYTES = 52_428_800;
/** How long a large body may take to come in. */
export const LARGE_BODY_TIME_MS = 600_000;
/** Large bodies under way in a process, all together. Parsed they weigh about as much again. */
const ALL_BYTES = 268_435_456;
const RETRY_AFTER_SECONDS = 5;

export interface LargeBodies {
  /** Routes of this scope take JSON of up to `LARGE_BODY_BYTES`; it stands before any parser of forms. */
  register(scope: App): void;
  /** The body is of no more use: what it held is free. */
  drop(request: FastifyRequest): void;
}

export function buildLargeBodies(allBytes = ALL_BYTES): LargeBodies {
  const held = new WeakMap<FastifyRequest, number>();
  let heldBytes = 0;

  /** Only what is larger than any other body counts. */
  function hold(request: FastifyRequest, bytes: number): void {
    if (bytes <= BODY_LIMIT_BYTES) return;
    const before = held.get(request) ?? 0;
    if (heldBytes - before + bytes > allBytes) throw tooBusy();
    heldBytes += bytes - before;
    held.set(request, bytes);
  }

  function release(request: FastifyRequest): void {
    heldBytes -= held.get(request) ?? 0;
    held.delete(request);
  }

  async function read(request: FastifyRequest, body: AsyncIterable<Buffer>): Promise<unknown> {
    assertPlain(request);
    const told = Number(request.headers['content-length'] ?? 0);
    if (told > LARGE_BODY_BYTES) throw bodyTooLarge(LARGE_BODY_BYTES);
    hold(request, told);
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > LARGE_BODY_BYTES) throw bodyTooLarge(LARGE_BODY_BYTES);
      if (bytes > told) hold(request, bytes);
      chunks.push(chunk);
    }
    return parseJson(Buffer.concat(chunks));
  }

  return {
    register(scope) {
      scope.addContentTypeParser('application/json', (request: FastifyRequest, payload: IncomingMessage) =>
        // A body refused in the middle must not take the connection with it: the caller is to read why.
        read(request, payload.iterator({ destroyOnReturn: false })),
      );
      scope.addHook('onRequest', async (request, reply) => {
        reply.raw.once('close', () => release(request));
      });
    },
    drop(request) {
      request.body = undefined;
      release(request);
    },
  };
}

function tooBusy(): ServiceError {
  return new ServiceError('unavailable', 'Too many large request bodies are coming in at the moment. Try again soon.', {
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
  });
}
