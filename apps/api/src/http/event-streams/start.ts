// Where a stream begins: with a snapshot, or after the last event its client saw. The place in the event stream is fixed
// first and the state read after that, so nothing that happens in between is missed; what the state holds already is not
// told again.
import {
  BEGINNING,
  comparePositions,
  type EventEntry,
  type EventLog,
  positionBefore,
} from '@darkroom/shared/jobs/event-log.ts';
import { toFrame } from './sse.ts';

/** What a stream is about, as it is now. */
export interface Subject {
  /** Place of its newest event; `BEGINNING` = it had none; null = not known. */
  readonly lastEvent: string | null;
  /** How many events it had; null where that is not counted. */
  readonly sequence: number | null;
  /** The event it has ended with; null = it goes on. */
  readonly end: EventEntry | null;
  /** `data` of the snapshot. */
  readonly snapshot: () => Promise<unknown>;
}

export interface Start {
  /** Everything up to here is known to the client. */
  readonly position: string;
  /** Frame of the snapshot; null when the client goes on where it was. */
  readonly snapshot: string | null;
  /** Nothing has to be replayed before the stream is live. */
  readonly isCaughtUp: boolean;
  /** To be sent before the stream ends; null = it goes on. */
  readonly end: EventEntry | null;
}

/** null: the client has seen the last event; there is nothing to stream. */
export async function planStart(
  log: EventLog,
  account: string,
  lastEventId: string | null,
  read: () => Promise<Subject>,
): Promise<Start | null> {
  const newest = await log.newest(account);
  const subject = await read();
  if (lastEventId === null) return beginWithSnapshot(subject, newest, 'connected');
  if (subject.end !== null && comparePositions(lastEventId, subject.end.id) >= 0) return null;
  if (!(await log.isKept(account, lastEventId))) return beginWithSnapshot(subject, newest, 'events_lost');
  const hasMissedNothing = subject.lastEvent !== null && comparePositions(lastEventId, subject.lastEvent) >= 0;
  return {
    position: hasMissedNothing ? later(lastEventId, newest) : lastEventId,
    snapshot: null,
    isCaughtUp: hasMissedNothing,
    end: null,
  };
}

/** `events_lost`: events the client has not seen are no longer kept; the snapshot stands for them. */
type Reason = 'connected' | 'events_lost';

async function beginWithSnapshot(subject: Subject, newest: string, reason: Reason): Promise<Start> {
  const { end, sequence, lastEvent } = subject;
  const position = end === null ? later(newest, lastEvent ?? BEGINNING) : positionBefore(end.id);
  const event = {
    id: null,
    object: 'event',
    type: 'snapshot',
    created_at: Math.floor(Date.now() / 1_000),
    sequence,
    reason,
    data: await subject.snapshot(),
  };
  const snapshot = toFrame({ id: position, event: 'snapshot', data: JSON.stringify(event) });
  return { position, snapshot, isCaughtUp: true, end };
}

function later(a: string, b: string): string {
  return comparePositions(a, b) >= 0 ? a : b;
}
