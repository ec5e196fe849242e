// One HTTP attempt at the upstream, never a retry. Answers with images or throws a ServiceError that carries the verdict.
import { type ModerationDetails, ServiceError } from '@darkroom/shared/base/errors.ts';
import { Slots } from '@darkroom/shared/base/slots.ts';
import OpenAI, { APIConnectionError, APIError, APIUserAbortError } from 'openai';
import { Agent, fetch as undiciFetch } from 'undici';
import { type Observation, observe } from '../governor/observation.ts';
import { classifyFailure, classifyReply, type Sent, type UpstreamReply } from './classify.ts';
import type { WireRequest } from './prepare-request.ts';
import { type ImagesReply, parseImagesReply } from './reply.ts';
import { noteSending, trackSending } from './sent.ts';

/** Replies parsed at the same time in one process (house.md 4). */
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
}

export type UpstreamResult =
  | { readonly kind: 'answered'; readonly answer: UpstreamAnswer }
  | { readonly kind: 'failed'; readonly error: ServiceError; readonly observation: Observation | null };

export interface Upstream {
  /** Sends a request, once. Never rejects for what the upstream or the network does. */
  request(wire: WireRequest): Promise<UpstreamResult>;
  close(): Promise<void>;
}

export function openUpstream(options: UpstreamOptions): Upstream {
  const agent = new Agent({
    connect: { timeout: CONNECT_TIMEOUT_MS },
    // Node's and undici's own 300 s would end a long call before the upstream does (openai-images.md 3.4).
    headersTimeout: options.callTimeoutMs + 10_000,
    bodyTimeout: options.callTimeoutMs + 10_000,
  });
  const client = new OpenAI({
    apiKey: options.apiKey,
    baseURL: options.baseUrl,
    maxRetries: 0,
    timeout: options.callTimeoutMs,
    fetch: undiciFetch as unknown as typeof fetch,
    fetchOptions: { dispatcher: agent.compose(noteSending), redirect: 'manual' } as never,
    logLevel: 'off',
  });
  const readers = new Slots(READERS);

  const send = async (wire: WireRequest, signal: AbortSignal): Promise<UpstreamAnswer> => {
    // With its length said, a stream is not sent chunked, which not every gateway takes.
    const headers = { 'content-type': wire.contentType, 'content-length': String(wire.lengthBytes) };
    const response = await client.post(wire.path, { body: wire.stream(), headers, signal }).asResponse();
    const requestId = response.headers.get('x-request-id');
    const slot = await readers.take();
    try {
      const reply = parseImagesReply(await response.text(), requestId);
      return { ...reply, status: response.status, requestId, observation: observe(response.headers, '', Date.now()) };
    } finally {
      slot.free();
    }
  };

  return {
    async request(wire) {
      const flight = trackSending(() => send(wire, AbortSignal.timeout(options.callTimeoutMs)));
      try {
        return { kind: 'answered', answer: await flight.result };
      } catch (error) {
        const mayBeWhole = flight.wasAnswered() || wire.isTaken();
        return toFailure(error, flight.wasSent() ? (mayBeWhole ? 'whole' : 'in-part') : 'not', wire);
      }
    },
    async close() {
      await agent.destroy();
    },
  };
}

function toFailure(error: unknown, sent: Sent, wire: WireRequest): UpstreamResult {
  if (error instanceof ServiceError) return { kind: 'failed', error, observation: null };
  if (error instanceof APIError && error.status !== undefined) {
    const reply = toReply(error);
    return { kind: 'failed', error: classifyReply(reply, wire), observation: reply.observation };
  }
  const cause =
    error instanceof APIConnectionError || error instanceof APIUserAbortError ? (error.cause ?? error) : error;
  return { kind: 'failed', error: classifyFailure(cause, sent), observation: null };
}

function toReply(error: APIError): UpstreamReply {
  const body = toRecord(error.error);
  const message = typeof body['message'] === 'string' ? body['message'] : null;
  return {
    status: error.status as number,
    requestId: error.requestID ?? null,
    type: toText(body['type']),
    code: toText(body['code']),
    param: toText(body['param']),
    message,
    moderation: toModeration(toRecord(body['moderation_details'])),
    observation: observe(error.headers ?? new Headers(), error.status === 429 ? (message ?? '') : '', Date.now()),
  };
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
