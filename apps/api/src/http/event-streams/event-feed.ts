// One account's events as they happen, for all of its streams in this process. A message of the subscription only says
// that there is news; what it is comes from the event stream in Redis, in order and without gaps.
import { setImmediate } from 'node:timers/promises';
import type { JobChanges } from '@darkroom/shared/jobs/changes.ts';
import { comparePositions, type EventEntry, type EventLog } from '@darkroom/shared/jobs/event-log.ts';
import type { BuildEvents, StreamEvent } from './build-events.ts';
import { ENDED_GRACE_MS, type EventClient } from './event-client.ts';
import { fitsEntry } from './event-filter.ts';

/** Entries read at a time. */
export const PAGE_ENTRIES = 100;

/** Clients written to in one go. */
const CLIENTS_AT_ONCE = 100;

export interface FeedDeps {
  readonly changes: JobChanges;
  readonly log: EventLog;
  readonly build: BuildEvents;
  /** Redis was away; the feed goes on where it was at the next news. */
  readonly onReadError: (error: unknown) => void;
}

export class EventFeed {
  readonly #account: string;
  readonly #deps: FeedDeps;
  readonly #clients = new Set<EventClient>();
  /** Everything up to here has been delivered. */
  #position: string;
  #isReading = false;
  #isNews = false;
  readonly #stopListening: () => void;

  /** Begins with the first client, where that client stands. */
  constructor(account: string, position: string, deps: FeedDeps) {
    this.#account = account;
    this.#position = position;
    this.#deps = deps;
    this.#stopListening = deps.changes.onAccount(account, () => this.ring());
  }

  /** Takes a client that has caught up with the feed. False: it has to read on by itself first. */
  join(client: EventClient): boolean {
    if (comparePositions(client.position, this.#position) < 0) return false;
    this.#clients.add(client);
    this.ring();
    return true;
  }

  /** Returns whether the feed has nobody left and has ended. */
  leave(client: EventClient): boolean {
    this.#clients.delete(client);
    if (this.#clients.size > 0) return false;
    this.#stopListening();
    return true;
  }

  /** Reads what is new. Rings while it reads make it read once more. */
  ring(): void {
    this.#isNews = true;
    if (!this.#isReading) void this.#readAll();
  }

  async #readAll(): Promise<void> {
    this.#isReading = true;
    try {
      while (this.#isNews && this.#clients.size > 0) {
        this.#isNews = false;
        await this.#readPage();
      }
    } catch (error) {
      this.#deps.onReadError(error);
    } finally {
      this.#isReading = false;
    }
  }

  async #readPage(): Promise<void> {
    const page = await this.#deps.log.read(this.#account, this.#position, PAGE_ENTRIES);
    if (page.isFull) this.#isNews = true;
    const events = page.hasGap ? [] : await this.#build(page.entries);
    this.#position = page.position;
    if (page.hasGap) return this.#dismissAll();
    await this.#deliver(events);
  }

  /** To some clients at a time, so that other requests get their turn in between. */
  async #deliver(events: readonly StreamEvent[]): Promise<void> {
    let served = 0;
    for (const client of this.#clients) {
      client.deliver(events, this.#position);
      client.checkBacklog();
      served += 1;
      if (events.length > 0 && served % CLIENTS_AT_ONCE === 0) await setImmediate();
    }
  }

  /** The events some client wants. Clients may join meanwhile and want more. */
  async #build(entries: readonly EventEntry[]): Promise<StreamEvent[]> {
    const events: StreamEvent[] = [];
    for (let rest = entries; ; ) {
      const { wanted = [], unwanted = [] } = Object.groupBy(rest, (entry) =>
        this.#clients.values().some(({ filter }) => fitsEntry(filter, entry)) ? 'wanted' : 'unwanted',
      );
      if (wanted.length === 0) return events.sort((a, b) => comparePositions(a.entry.id, b.entry.id));
      events.push(...(await this.#deps.build(wanted)));
      rest = unwanted;
    }
  }

  /** Ends all streams: those who come back begin with a snapshot. */
  #dismissAll(): void {
    for (const client of this.#clients) client.leave(ENDED_GRACE_MS);
  }
}
