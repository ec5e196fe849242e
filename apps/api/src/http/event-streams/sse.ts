// The wire format of Server-Sent Events: https://html.spec.whatwg.org/multipage/server-sent-events.html
import type { FastifyReply } from 'fastify';

export interface Frame {
  /** What the client sends back as Last-Event-ID. */
  readonly id: string;
  readonly event: string;
  readonly data: string;
}

/** A comment: keeps proxies from closing a quiet connection, and clients ignore it. */
export const PING = ': ping\n\n';

/** One event. `data` may have lines; `id` and `event` must not. */
export function toFrame({ id, event, data }: Frame): string {
  const lines = data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`);
  return `id: ${id}\nevent: ${event}\n${lines.join('')}\n`;
}

/** Moves the client's Last-Event-ID on without an event: a block without data is not dispatched. */
export function toIdFrame(id: string): string {
  return `id: ${id}\n\n`;
}

/** How long a client waits before it comes back; spread, so that many clients of a stopped process don't come at once. */
export function toRetryFrame(): string {
  return `retry: ${SHORTEST_RETRY_MS + Math.floor(Math.random() * RETRY_SPREAD_MS)}\n\n`;
}

const SHORTEST_RETRY_MS = 1_000;
const RETRY_SPREAD_MS = 2_000;

/** Sends the head, with the headers the reply has by now. The rest is written to `reply.raw`. */
export function beginStream(reply: FastifyReply): void {
  reply.hijack();
  reply.raw.writeHead(200, {
    ...(reply.getHeaders() as Record<string, string>),
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    connection: 'keep-alive',
    'x-accel-buffering': 'no',
  });
}
