// One client of an event stream: what it has been sent, and how much it may fall behind. Writes to its own connection
// alone and never waits, so a slow one holds nobody up.
import type { ServerResponse } from 'node:http';
import { comparePositions } from '@darkroom/shared/jobs/event-log.ts';
import type { StreamEvent } from './build-events.ts';
import { type EventFilter, fits } from './event-filter.ts';
import { PING, toIdFrame } from './sse.ts';

/** A client for which this much waits unsent is cut off; it comes back and gets the rest from the event stream in Redis. */
const MAX_UNSENT_BYTES = 1_048_576;
/** Heartbeats after which a client that takes nothing is cut off. */
const PATIENCE_HEARTBEATS = 4;

export interface ClientOptions {
  readonly account: string;
  readonly filter: EventFilter;
  readonly isLast: (event: StreamEvent) => boolean;
  readonly position: string;
  readonly onSent: (events: number) => void;
}

export class EventClient {
  readonly account: string;
  readonly filter: EventFilter;
  /** Everything up to here has been sent, or is not for this client. */
  position: string;
  isOpen = true;
  readonly #response: ServerResponse;
  readonly #isLast: ClientOptions['isLast'];
  readonly #onSent: ClientOptions['onSent'];
  /** The last id the client was told. */
  #toldId: string;
  #heartbeatsBlocked = 0;

  constructor(response: ServerResponse, { account, filter, isLast, position, onSent }: ClientOptions) {
    this.account = account;
    this.filter = filter;
    this.position = position;
    this.#response = response;
    this.#isLast = isLast;
    this.#onSent = onSent;
    this.#toldId = position;
    response.once('close', () => {
      this.isOpen = false;
    });
  }

  /**
   * Sends what is new and fits, and ends after the last event. `events` are in order; `position` says up to where the event
   * stream has been read.
   */
  deliver(events: readonly StreamEvent[], position: string): void {
    if (!this.isOpen) return;
    const firstNew = events.findIndex(({ entry }) => comparePositions(entry.id, this.position) > 0);
    const due = firstNew < 0 ? [] : events.slice(firstNew).filter((event) => fits(this.filter, event));
    const last = due.findIndex(this.#isLast);
    if (due.length > 0) this.#send(last < 0 ? due : due.slice(0, last + 1));
    if (comparePositions(position, this.position) > 0) this.position = position;
    if (last >= 0) this.end(ENDED_GRACE_MS);
  }

  #send(events: readonly StreamEvent[]): void {
    this.#response.cork();
    for (const { frame, entry } of events) this.write(frame, entry.id);
    this.#response.uncork();
    this.#onSent(events.length);
  }

  /** Writes a frame that moves the client to `id`. */
  write(frame: Buffer | string, id: string): void {
    this.#response.write(frame);
    this.#toldId = id;
  }

  /** Cuts the client off when it has fallen too far behind. */
  checkBacklog(): void {
    if (this.isOpen && this.#response.writableLength > MAX_UNSENT_BYTES) this.leave(ENDED_GRACE_MS);
  }

  /** Resolves when the client has taken what was written, or has gone. */
  async drained(): Promise<void> {
    const response = this.#response;
    if (!this.isOpen || !response.writableNeedDrain) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        response.off('drain', done).off('close', done);
        resolve();
      };
      response.once('drain', done).once('close', done);
    });
  }

  /** Keeps the connection alive, and the client's Last-Event-ID among the events that are kept. */
  heartbeat(): void {
    if (!this.isOpen) return;
    this.#heartbeatsBlocked = this.#response.writableNeedDrain ? this.#heartbeatsBlocked + 1 : 0;
    if (this.#heartbeatsBlocked >= PATIENCE_HEARTBEATS) return this.leave(0);
    if (this.#heartbeatsBlocked > 0) return;
    this.#response.write(PING);
    if (this.#toldId !== this.position) this.write(toIdFrame(this.position), this.position);
  }

  /** Ends the stream after what is written; the connection may serve other requests. A client that takes longer is dropped. */
  end(graceMs: number): void {
    if (!this.isOpen) return;
    this.isOpen = false;
    const timer = setTimeout(() => this.#response.destroy(), graceMs);
    this.#response.once('close', () => clearTimeout(timer));
    this.#response.end();
  }

  /** Ends the stream and its connection. */
  leave(graceMs: number): void {
    const { socket } = this.#response;
    this.#response.once('finish', () => socket?.destroySoon());
    this.end(graceMs);
  }
}

/** How long an ended stream may take to be read to its end. */
export const ENDED_GRACE_MS = 5_000;
