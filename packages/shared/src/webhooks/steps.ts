// The state machine of deliveries, as typed functions over the Lua steps. Each step is atomic and safe to repeat.
//
//   outbox ──create-delivery──▶ pending, waiting ──admit──▶ pending, queued ──begin-try, POST, finish-try──▶ delivered
//                                     ▲                                                 │                     gone
//                                     └───────────── again later ───────────────────────┴───────────────────▶ failed
//                                     └──redeliver── (any state)
//
// What a crash leaves behind: before create-delivery the line in the outbox, which is there for others when its lease is
// over; after it a delivery that waits or is queued; what was queued and got lost is queued again after `lostAfterMs`;
// during a POST an open try, logged as `worker_lost` by the next one, which sends the same body under the same id.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import { loadScript, runScript, type Script } from '../base/redis.ts';
import type { WebhookItem } from '../queues/webhook-queue.ts';
import type { TryRow } from './delivery.ts';
import type { Judgement } from './schedule.ts';

const load = (step: string): Script => loadScript(import.meta.url, 'lua/lib.lua', `lua/${step}.lua`);
const TAKE_OUTBOX = load('take-outbox');
const CREATE = load('create-delivery');
const DROP = load('drop-event');
const ADMIT_DUE = load('admit-due');
const BEGIN = load('begin-try');
const FINISH = load('finish-try');
const REDELIVER = load('redeliver');

/** What holds for each host, all workers together. Times in ms. */
export interface ReceiverLimits {
  /** Tries under way or queued at once. */
  readonly window: number;
  /** Failures in a row after which a host rests. */
  readonly threshold: number;
  /** The first rest; each further one is twice as long, up to the longest. */
  readonly firstRestMs: number;
  readonly longestRestMs: number;
  /** What was queued this long ago and has not come back is queued again, in case it was lost; if not, nothing happens. */
  readonly lostAfterMs: number;
  /** A delivery whose host was away all this time is given up; longer than the whole schedule (75.6 h). */
  readonly giveUpAfterMs: number;
}

export const RECEIVER_LIMITS: ReceiverLimits = {
  window: 16,
  threshold: 5,
  firstRestMs: 5_000,
  longestRestMs: 60_000,
  lostAfterMs: 5_000,
  giveUpAfterMs: 4 * 86_400_000,
};

export interface WebhookSteps {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly limits: ReceiverLimits;
  /** How long a delivery is kept, ms, from when it was made. */
  readonly retentionMs: number;
}

/** Where an event stands in the outbox. */
export interface OutboxLine {
  readonly host: string;
  readonly line: string;
}

/** Takes about `most` events for `leaseMs`, as many for each host; no other worker gets them meanwhile. */
export async function takeOutbox({ redis, keys }: WebhookSteps, most: number, leaseMs: number): Promise<OutboxLine[]> {
  const flat = (await runScript(redis, TAKE_OUTBOX, [keys.outbox], [most, leaseMs])) as string[];
  return pairsOf(flat).map(([host, line]) => ({ host, line }));
}

/** Drops an event that can't become a delivery. */
export async function dropEvent({ redis, keys }: WebhookSteps, { host, line }: OutboxLine): Promise<void> {
  await runScript(redis, DROP, [keys.outbox], [host, line]);
}

/** Events that are no deliveries yet. */
export async function outboxDepth(redis: Redis, keys: Keys): Promise<number> {
  const hosts = await redis.zrange(keys.outbox, '0', '-1');
  const depths = await Promise.all(hosts.map((host) => redis.zcard(keys.outboxOf(host))));
  return depths.reduce((sum, depth) => sum + depth, 0);
}

export interface NewDelivery {
  readonly id: string;
  readonly type: string;
  /** The job or batch the event is of. */
  readonly subject: string;
  readonly account: string;
  readonly url: string;
  readonly body: string;
  /** When it happened, unix ms. */
  readonly createdAt: number;
}

/** Keeps the event and takes it out of the outbox; an event kept before stays as it was. The items are to be queued. */
export async function createDelivery(steps: WebhookSteps, made: NewDelivery, from: OutboxLine): Promise<WebhookItem[]> {
  const { redis, keys } = steps;
  return toItems(
    await runScript(
      redis,
      CREATE,
      [keys.delivery(made.id), keys.accountDeliveries(made.account)],
      [
        JSON.stringify(steps.limits),
        made.id,
        made.type,
        made.subject,
        made.account,
        made.url,
        new URL(made.url).host,
        made.body,
        made.createdAt,
        steps.retentionMs,
        from.host,
        from.line,
      ],
    ),
  );
}

/** Hosts that have something due. */
export async function dueReceivers({ redis, keys }: WebhookSteps, now: number, most: number): Promise<string[]> {
  return redis.zrangebyscore(keys.receivers, '-inf', now, 'LIMIT', 0, most);
}

/** What of a host's deliveries may be queued now. */
export async function admitDue({ redis, keys, limits }: WebhookSteps, host: string): Promise<WebhookItem[]> {
  return toItems(await runScript(redis, ADMIT_DUE, [keys.receivers], [JSON.stringify(limits), host]));
}

export interface DueTry {
  readonly url: string;
  readonly host: string;
  readonly account: string;
  readonly type: string;
  /** Sent as it is, each time. */
  readonly body: string;
  /** Failed tries of this schedule. */
  readonly failures: number;
}

/** What to send; null when it is no longer this item's turn. */
export async function beginTry({ redis, keys }: WebhookSteps, item: WebhookItem): Promise<DueTry | null> {
  const reply = (await runScript(redis, BEGIN, [keys.delivery(item.eventId)], [item.eventId, item.turn])) as string[];
  const [url, host, account, type, body, failures] = reply;
  if (url === undefined || host === undefined || account === undefined || type === undefined) return null;
  return { url, host, account, type, body: body ?? '', failures: Number(failures) };
}

/** Records a try and what follows. The items (of the same host) are to be queued. */
export async function finishTry(
  { redis, keys, limits }: WebhookSteps,
  { eventId, turn }: WebhookItem,
  row: TryRow,
  { outcome, delayMs, health }: Judgement,
): Promise<WebhookItem[]> {
  return toItems(
    await runScript(
      redis,
      FINISH,
      [keys.delivery(eventId)],
      [JSON.stringify(limits), eventId, turn, JSON.stringify(row), outcome, delayMs, health ?? ''],
    ),
  );
}

/** Sends an event of the account again, at once; a worker takes it up. False when there is no such delivery. */
export async function redeliver(redis: Redis, keys: Keys, account: string, eventId: string): Promise<boolean> {
  return (await runScript(redis, REDELIVER, [keys.delivery(eventId)], [eventId, account])) === 1;
}

function toItems(reply: unknown): WebhookItem[] {
  return pairsOf(reply as string[]).map(([eventId, turn]) => ({ eventId, turn: Number(turn) }));
}

function pairsOf(flat: readonly string[]): [string, string][] {
  return flat.flatMap((first, at): [string, string][] => (at % 2 === 0 ? [[first, flat[at + 1] ?? '']] : []));
}
