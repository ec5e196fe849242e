// The books of a run, as they were found when everything had come to rest. The auditor compares them; nothing here judges.
import type { Job } from '../../support/api.ts';
import type { Ledger } from '../../support/simulator.ts';
import type { BatchNote, CallerNote, HeardEvent } from '../load/notes.ts';
import type { Unrest } from '../rest.ts';
import type { AccountName } from '../world/accounts.ts';
import type { StoredObject } from '../world/storage.ts';
import type { TimelineEntry } from '../world/timeline.ts';
import type { DeliveredReply, SpooledAnswer } from '../world/wire-notes.ts';

/** One upstream request as Darkroom recorded it. Times are unix ms. */
export interface AttemptBook {
  readonly call: number;
  readonly seq: number;
  readonly run: number;
  readonly at: number;
  readonly endedAt: number | null;
  readonly answeredAt: number | null;
  readonly outcome: string | null;
  readonly code: string | null;
  readonly requestId: string | null;
  /** The last 4 characters of its upstream key; null when they are not known. */
  readonly key: string | null;
  readonly images: readonly number[];
  /** Known to be paid; null when it is not known, or has no price. */
  readonly costUsd: number | null;
  /** How many images its reply brought; null when all, or there was none. */
  readonly came: number | null;
}

export interface JobBook {
  /** Under whose key it was found. */
  readonly account: AccountName;
  readonly job: Job;
  readonly attempts: readonly AttemptBook[];
  /** Events it had. */
  readonly sequence: number;
}

/** What a batch's output and error files say, by custom id, with the number of lines for each. */
export interface BatchBook {
  readonly note: BatchNote;
  readonly status: string | null;
  readonly lines: ReadonlyMap<string, number>;
}

export interface DeliveryBook {
  readonly id: string;
  readonly state: string;
  readonly tries: readonly { readonly status: number | null; readonly error: string | null }[];
}

/** What one follower of an account's events was told. */
export interface Stream {
  readonly account: AccountName;
  readonly heard: readonly HeardEvent[];
}

/** What `npm run audit` says. */
export interface SystemAudit {
  readonly problems: readonly { readonly kind: string; readonly count: number; readonly first: string }[];
}

export interface Books {
  readonly hasLinks: boolean;
  readonly notes: readonly CallerNote[];
  readonly batches: readonly BatchBook[];
  readonly jobs: readonly JobBook[];
  /** The upstream's. */
  readonly ledger: Ledger;
  readonly objects: readonly StoredObject[];
  /** Replies that reached a worker whole. */
  readonly delivered: readonly DeliveredReply[];
  /** Answers Redis knows to lie in a spool, or have lain there. */
  readonly spooled: readonly SpooledAnswer[];
  readonly streams: readonly Stream[];
  /** What the receiver was sent. */
  readonly webhooks: readonly HeardEvent[];
  /** What Darkroom says of it. */
  readonly deliveries: readonly DeliveryBook[];
  readonly timeline: readonly TimelineEntry[];
  readonly unrest: Unrest;
  readonly system: SystemAudit;
}

/** What the auditor has counted, and what must not be. */
export interface Findings {
  readonly figures: Readonly<Record<string, number>>;
  readonly violations: readonly Violation[];
}

export interface Violation {
  readonly kind: string;
  /** The job it is about; null when there is none. */
  readonly jobId: string | null;
  readonly message: string;
}
