// The event streams of this process: lets clients in, tells them where things stand, replays what they missed and then
// hands them to their account's feed.
//
//   in ──▶ snapshot ───────────┐
//      └─▶ replay from Redis ──┴─▶ caught up with the feed? ──yes──▶ live ──▶ last event, slow reader or stopping: end
//                ▲                           │no
//                └───────────────────────────┘
//
// Whatever interrupts a stream, its client comes back with Last-Event-ID and goes on after the last event it saw, here or
// at another API process.
import { buildEventLog } from '@darkroom/shared/jobs/event-log.ts';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Deps } from '../../deps.ts';
import { type BuildEvents, buildEventBuilder, type StreamEvent } from './build-events.ts';
import { ENDED_GRACE_MS, EventClient } from './event-client.ts';
import { EventFeed, type FeedDeps, PAGE_ENTRIES } from './event-feed.ts';
import { type EventFilter, fitsEntry } from './event-filter.ts';
import { beginStream, toRetryFrame } from './sse.ts';
import { planStart, type Start, type Subject } from './start.ts';
import { buildStreamPlaces, type StreamPlaces } from './stream-places.ts';
import { buildTurns } from './turns.ts';

const HEARTBEAT_MS = 15_000;
/** Clients that read their replay from Redis at once: each holds a page of events. */
const REPLAYS_AT_ONCE = 8;
/** A stopping process does not wait longer for clients to read the rest. */
const STOPPING_GRACE_MS = 1_000;

/** What a stream follows; see watches.ts. */
export interface Watch {
  readonly filter: EventFilter;
  /** Reads what it is about. May throw a ServiceError, e.g. `not_found`. */
  readonly read: () => Promise<Subject>;
  /** Whether the stream ends with this event, one that fits the filter. */
  readonly isLast: (event: StreamEvent) => boolean;
}

export class EventStreams {
  readonly #deps: Deps;
  readonly #feedDeps: FeedDeps;
  readonly #build: BuildEvents;
  readonly #places: StreamPlaces;
  readonly #inTurn = buildTurns(REPLAYS_AT_ONCE);
  readonly #feeds = new Map<string, EventFeed>();
  readonly #clients = new Set<EventClient>();
  readonly #heartbeatMs: number;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(deps: Deps, { heartbeatMs = HEARTBEAT_MS } = {}) {
    this.#deps = deps;
    this.#heartbeatMs = heartbeatMs;
    this.#build = buildEventBuilder(deps);
    this.#places = buildStreamPlaces(deps);
    this.#feedDeps = {
      changes: deps.changes,
      log: buildEventLog(deps.redis, deps.keys),
      build: this.#build,
      onReadError: (error) => deps.logger.warn({ err: error }, 'event streams wait for Redis'),
    };
    deps.stopping.signal.addEventListener('abort', () => {
      for (const client of this.#clients) client.leave(STOPPING_GRACE_MS);
    });
  }

  /**
   * Answers with a stream of what `watch` follows, from after `lastEventId`; 204 when that was the last event. Rejects,
   * with a ServiceError of `watch.read` or `too_many_streams`, only while nothing is sent.
   */
  async open(
    request: FastifyRequest,
    reply: FastifyReply,
    lastEventId: string | null,
    watch: Watch,
  ): Promise<FastifyReply> {
    const { account } = request;
    this.#places.take(account, reply.raw);
    const start = await planStart(this.#feedDeps.log, account, lastEventId, watch.read);
    if (reply.raw.destroyed) return reply.hijack(); // the client has left meanwhile
    if (start === null) return reply.code(204).send();
    beginStream(reply);
    const client = new EventClient(reply.raw, {
      account,
      filter: watch.filter,
      isLast: watch.isLast,
      position: start.position,
      onSent: (events) => this.#deps.metrics.eventsSent.inc(events),
    });
    this.#enter(client, reply);
    client.write(toRetryFrame() + (start.snapshot ?? ''), start.position);
    if (this.#deps.stopping.signal.aborted) client.leave(STOPPING_GRACE_MS);
    else void this.#follow(client, start);
    return reply;
  }

  #enter(client: EventClient, reply: FastifyReply): void {
    this.#clients.add(client);
    this.#heartbeat ??= setInterval(() => this.#beat(), this.#heartbeatMs);
    reply.raw.once('close', () => {
      this.#clients.delete(client);
      if (this.#feeds.get(client.account)?.leave(client)) this.#feeds.delete(client.account);
      if (this.#clients.size > 0) return;
      clearInterval(this.#heartbeat);
      this.#heartbeat = undefined;
    });
  }

  /** From the start to the feed. A client whose replay fails is sent away, and comes back. */
  async #follow(client: EventClient, start: Start): Promise<void> {
    try {
      if (start.end !== null) await this.#sendEnd(client, start.end);
      for (let isCaughtUp = start.isCaughtUp; client.isOpen; ) {
        if (isCaughtUp && this.#join(client)) return;
        isCaughtUp = await this.#inTurn(() => this.#replayPage(client));
        await client.drained();
      }
    } catch (error) {
      this.#feedDeps.onReadError(error);
      client.leave(ENDED_GRACE_MS);
    }
  }

  /** The event that ended the job or batch before its client came. */
  async #sendEnd(client: EventClient, end: NonNullable<Start['end']>): Promise<void> {
    const events = await this.#build([end]);
    client.deliver(events, end.id);
    if (events.length === 0) client.end(ENDED_GRACE_MS);
  }

  /** Returns whether the replay has reached the newest entry. */
  async #replayPage(client: EventClient): Promise<boolean> {
    const page = await this.#feedDeps.log.read(client.account, client.position, PAGE_ENTRIES);
    const wanted = page.entries.filter((entry) => fitsEntry(client.filter, entry));
    if (page.hasGap) client.leave(ENDED_GRACE_MS);
    else client.deliver(await this.#build(wanted), page.position);
    return !page.isFull;
  }

  #join(client: EventClient): boolean {
    const { account, position } = client;
    const feed = this.#feeds.get(account) ?? new EventFeed(account, position, this.#feedDeps);
    this.#feeds.set(account, feed);
    return feed.join(client);
  }

  #beat(): void {
    for (const client of this.#clients) client.heartbeat();
    for (const feed of this.#feeds.values()) feed.ring();
  }
}
