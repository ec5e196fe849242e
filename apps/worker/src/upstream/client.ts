// One HTTP attempt at the upstream, never a retry. Answers with images or throws a ServiceError that carries the verdict.
import { type ModerationDetails, ServiceError } from '@darkroom/shared/base/errors.ts';
import { Slots } from '@darkroom/shared/base/slots.ts';
import { Agent } from 'undici';
import { type Observation, observe } from '../governor/observation.ts';
import { classifyFailure, classifyReply, noImageData, type UpstreamReply } from './classify.ts';
import { Exchange, type ReplyHead } from './exchange.ts';
import { Inflow } from './inflow.ts';
import type { WireRequest } from './prepare-request.ts';
import { ReadingTurn } from './reading-turn.ts';
import { type ImagesReply, parseImagesReply } from './reply.ts';
import type { ReplyBody } from './reply-body.ts';

/** Replies arriving at the same time for one key; the others wait in their sockets (50 of 4 MB: 100 MB less at the peak). */
const READERS = 8;
const CONNECT_TIMEOUT_MS = 10_000;

export interface UpstreamOptions {
  readonly apiKey: string;
  readonly baseUrl: string;
  /** The whole attempt, from connecting to the last byte, ms. */
  readonly callTimeoutMs: number;
}

export interface UpstreamAnswer extends ImagesReply {
  readonly status: number;
  readonly requestId: string | null;
  readonly observation: Observation;
  /** Why no more came; null when its connection did not break. */
  readonly broken: Error | null;
}

export type UpstreamResult =
  | { readonly kind: 'answered'; readonly answer: UpstreamAnswer }
  | { readonly kind: 'failed'; readonly error: ServiceError; readonly observation: Observation | null }
  /** Not sent, or not to its end: `sendBefore` had come, or `mayEnd` said no. */
  | { readonly kind: 'late' };

export interface Upstream {
  /**
   * Sends a request, once, and only before `sendBefore` (on the clock of `performance.now()`); one of several parts not to its
   * end unless `mayEnd`. Never rejects for what the upstream or the network does.
   */
  request(wire: WireRequest, sendBefore?: number, mayEnd?: () => boolean): Promise<UpstreamResult>;
  close(): Promise<void>;
}

export function openUpstream(options: UpstreamOptions): Upstream {
  const agent = new Agent({
    // A connection for each call. undici would take HTTP/2 where it is offered: then one broken connection leaves all calls
    // of the process with an unknown outcome, and a refused stream is sent a second time behind the record's back.
    allowH2: false,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    // The exchange keeps the time: undici's own limits end a call though its reply lies in the socket (openai-images.md 3.4).
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  const base = new URL(options.baseUrl);
  const readers = new Slots(READERS);
  const receive = (head: ReplyHead): Inflow =>
    new Inflow(head, isAnswer(head.status) ? new ReadingTurn(readers) : null);

  const send = (wire: WireRequest, sendBefore: number, mayEnd: () => boolean): Exchange<Inflow> =>
    new Exchange(
      agent,
      {
        origin: base.origin,
        path: `${base.pathname.replace(/\/$/, '')}${wire.path}`,
        headers: {
          authorization: `Bearer ${options.apiKey}`,
          accept: 'application/json',
          'accept-encoding': 'identity',
          'user-agent': 'Darkroom',
          'content-type': wire.contentType,
          // With its length said, a stream is not sent chunked, which not every gateway takes.
          'content-length': String(wire.lengthBytes),
        },
        body: wire.take(mayEnd),
        timeoutMs: options.callTimeoutMs,
        sendBefore,
      },
      receive,
    );

  return {
    async request(wire, sendBefore = Number.POSITIVE_INFINITY, mayEnd) {
      let isHeldBack = false;
      const exchange = send(wire, sendBefore, () => {
        isHeldBack = mayEnd?.() === false;
        return !isHeldBack;
      });
      try {
        const { head, receiver, broken } = await exchange.reply;
        if (!isAnswer(head.status)) return await toRefusal(head, receiver, wire, options.apiKey);
        // What has come whole counts, images above all, though the connection broke before it was over.
        const answer = await toAnswer(head, receiver, broken).catch((error: unknown) => {
          throw broken === null ? error : brokeOff(head, broken);
        });
        return { kind: 'answered', answer };
      } catch (error) {
        if (exchange.wasLate || isHeldBack) return { kind: 'late' };
        if (error instanceof ServiceError)
          return { kind: 'failed', error: withoutKey(error, options.apiKey), observation: null };
        const mayBeWhole = exchange.wasAnswered || wire.isTaken();
        const sent = exchange.wasSent ? (mayBeWhole ? 'whole' : 'in-part') : 'not';
        return { kind: 'failed', error: classifyFailure(error, sent), observation: null };
      }
    },
    async close() {
      await agent.destroy();
    },
  };
}

function isAnswer(status: number): boolean {
  return status >= 200 && status < 300;
}

async function toAnswer(head: ReplyHead, inflow: Inflow, broken: Error | null): Promise<UpstreamAnswer> {
  const requestId = head.get('x-request-id');
  const body = await inflow.body().catch((error: unknown) => {
    throw noImageData(requestId, error instanceof Error ? error.message : String(error));
  });
  const reply = parseImagesReply(body, requestId);
  return { ...reply, status: head.status, requestId, observation: observe(head, '', Date.now()), broken };
}

/** Of a reply none of whose images has come whole. */
function brokeOff(head: ReplyHead, broken: Error): ServiceError {
  const error = classifyFailure(broken, 'whole');
  error.requestId = head.get('x-request-id');
  return error;
}

/** The error of any other status; of a body that is cut off or unreadable the status still counts. */
async function toRefusal(head: ReplyHead, inflow: Inflow, wire: WireRequest, apiKey: string): Promise<UpstreamResult> {
  const { status } = head;
  const body = await inflow.body().then(toError, () => toRecord(null));
  const message = typeof body['message'] === 'string' ? body['message'] : null;
  const reply: UpstreamReply = {
    status,
    requestId: head.get('x-request-id'),
    type: toText(body['type']),
    code: toText(body['code']),
    param: toText(body['param']),
    message,
    moderation: toModeration(toRecord(body['moderation_details'])),
    observation: observe(head, status === 429 ? (message ?? '') : '', Date.now()),
  };
  return { kind: 'failed', error: withoutKey(classifyReply(reply, wire), apiKey), observation: reply.observation };
}

/** Shorter ones are words, not secrets. */
const SHORTEST_KEY = 8;

/** Some gateways repeat the key they refuse, and callers see the message. */
function withoutKey(error: ServiceError, apiKey: string): ServiceError {
  if (apiKey.length >= SHORTEST_KEY) error.message = error.message.replaceAll(apiKey, '…');
  return error;
}

/** The `error` of a body, empty when there is none. */
function toError(body: ReplyBody): Record<string, unknown> {
  try {
    return toRecord(toRecord(JSON.parse(body.text()))['error']);
  } catch {
    return {}; // HTML of a gateway, nothing at all
  }
}

function toRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

/** Kept with the job, so it is bounded: OpenAI's lists are open-ended. */
const MOST_CATEGORIES = 16;
const LONGEST_WORD = 64;

function toModeration(details: Record<string, unknown>): ModerationDetails | null {
  const stage = toText(details['moderation_stage']);
  if (stage === null) return null;
  const given = Array.isArray(details['categories']) ? details['categories'] : [];
  const categories = given.filter((word): word is string => typeof word === 'string').slice(0, MOST_CATEGORIES);
  return {
    moderation_stage: stage.slice(0, LONGEST_WORD),
    categories: categories.map((word) => word.slice(0, LONGEST_WORD)),
  };
}

function toText(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
