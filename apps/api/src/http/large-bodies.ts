// JSON bodies that may hold images as data URLs: larger than others, so together they are bounded, and dropped as soon as
// their job is recorded, not when their caller has been answered.
import type { IncomingMessage } from 'node:http';
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { FastifyRequest } from 'fastify';
import type { App } from './app.ts';
import { assertPlain, BODY_LIMIT_BYTES, bodyTooLarge, parseJson } from './json-body.ts';
import { jsonWeight } from './json-weight.ts';

/** Room for OpenAI's largest data URL (20,971,520 characters; openai-images.md 2.4, read 2026-11-22) and a few more. */
export const LARGE_BODY_BYTES = 52_428_800;
/** How long a large body may take to come in. */
export const LARGE_BODY_TIME_MS = 600_000;
/** Large bodies under way in a process, all together. Parsed they weigh about as much again. */
const ALL_BYTES = 268_435_456;
/** One account's, so that its slow senders leave room for others. */
const SHARE = 0.5;
const RETRY_AFTER_SECONDS = 5;

export interface LargeBodies {
  /** Routes of this scope take JSON of up to `LARGE_BODY_BYTES`; it stands before any parser of forms. */
  register(scope: App): void;
  /** The body is of no more use: what it held is free. */
  drop(request: FastifyRequest): void;
}

export function buildLargeBodies(allBytes = ALL_BYTES): LargeBodies {
  const held = new WeakMap<FastifyRequest, number>();
  const heldBy = new Map<string, number>();
  let heldBytes = 0;

  /** Only what is larger than any other body counts. */
  function hold(request: FastifyRequest, bytes: number): void {
    if (bytes <= BODY_LIMIT_BYTES) return;
    const more = bytes - (held.get(request) ?? 0);
    const ofAccount = (heldBy.get(request.account) ?? 0) + more;
    if (heldBytes + more > allBytes || ofAccount > allBytes * SHARE) throw tooBusy();
    count(request, bytes);
  }

  function count(request: FastifyRequest, bytes: number): void {
    const more = bytes - (held.get(request) ?? 0);
    const ofAccount = (heldBy.get(request.account) ?? 0) + more;
    heldBytes += more;
    held.set(request, bytes);
    if (ofAccount > 0) heldBy.set(request.account, ofAccount);
    else heldBy.delete(request.account);
  }

  function release(request: FastifyRequest): void {
    if (held.has(request)) count(request, 0);
    held.delete(request);
  }

  async function read(request: FastifyRequest, body: IncomingMessage): Promise<unknown> {
    assertPlain(request);
    const told = Number(request.headers['content-length'] ?? 0);
    if (told > LARGE_BODY_BYTES) throw bodyTooLarge(LARGE_BODY_BYTES);
    hold(request, told);
    const chunks: Buffer[] = [];
    let bytes = 0;
    await readEach(body, (chunk) => {
      bytes += chunk.length;
      if (bytes > LARGE_BODY_BYTES) throw bodyTooLarge(LARGE_BODY_BYTES);
      if (bytes > told) hold(request, bytes);
      chunks.push(chunk);
    });
    const whole = Buffer.concat(chunks);
    if (jsonWeight(whole, BODY_LIMIT_BYTES) > BODY_LIMIT_BYTES) throw tooManyValues();
    return parseJson(whole);
  }

  return {
    register(scope) {
      scope.addContentTypeParser('application/json', (request: FastifyRequest, payload: IncomingMessage) =>
        read(request, payload),
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

/**
 * Resolves with the last chunk; rejects when the body breaks off, or with what `take` throws. A body refused in the middle does not
 * take the connection with it: the caller is to read why. Small bodies are most: an iterator took longer than all else here.
 */
function readEach(body: IncomingMessage, take: (chunk: Buffer) => void): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onData = (chunk: Buffer): void => {
    try {
      take(chunk);
    } catch (error) {
      body.off('data', onData).pause();
      reject(error);
    }
  };
  body.on('data', onData);
  body.once('end', resolve).once('error', reject);
  body.once('close', () => {
    if (!body.readableEnded) reject(new Error('the body broke off'));
  });
  return promise;
}

function tooManyValues(): ServiceError {
  const message = `The request body has more than ${BODY_LIMIT_BYTES} bytes outside of its strings: only images make it larger.`;
  return new ServiceError('request_too_large', message);
}

function tooBusy(): ServiceError {
  return new ServiceError('unavailable', 'Too many large request bodies are coming in at the moment. Try again soon.', {
    headers: { 'retry-after': String(RETRY_AFTER_SECONDS) },
  });
}
