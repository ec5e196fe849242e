import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventIdOf, newJobId } from '../base/ids.ts';
import { keysOf } from '../base/keys.ts';
import type { WebhookItem } from '../queues/webhook-queue.ts';
import { type DeliveryRecord, readDelivery } from './delivery.ts';
import { listDeliveries } from './list.ts';
import type { Judgement } from './schedule.ts';
import {
  admitDue,
  beginTry,
  createDelivery,
  dropEvent,
  dueReceivers,
  finishTry,
  type OutboxLine,
  outboxDepth,
  RECEIVER_LIMITS,
  type ReceiverLimits,
  redeliver,
  takeOutbox,
  type WebhookSteps,
} from './steps.ts';

let server: TestRedis;
let hosts = 0;
beforeAll(async () => {
  server = await openTestRedis();
});
afterAll(() => server.close());

function stepsWith(limits: Partial<ReceiverLimits> = {}): WebhookSteps {
  return {
    redis: server.redis,
    keys: keysOf(server.prefix),
    limits: { ...RECEIVER_LIMITS, ...limits },
    retentionMs: 3_600_000,
  };
}

function newHost(): string {
  hosts += 1;
  return `host-${hosts}.example`;
}

interface Made {
  readonly id: string;
  readonly items: WebhookItem[];
}

async function make(steps: WebhookSteps, host: string, account = 'acme', type = 'job.completed'): Promise<Made> {
  const subject = newJobId();
  const id = eventIdOf(subject, 1);
  const made = { id, type, subject, account, url: `https://${host}/hooks`, body: `{"id":"${id}"}`, createdAt: 1_000 };
  return { id, items: await createDelivery(steps, made, { host, line: `${type} ${subject} 1 1 -` }) };
}

/** As `emit` of the job steps does. */
async function put(steps: WebhookSteps, { host, line }: OutboxLine, at = Date.now()): Promise<void> {
  await steps.redis.zadd(steps.keys.outboxOf(host), at, line);
  await steps.redis.zadd(steps.keys.outbox, 'LT', at, host);
}

async function record(steps: WebhookSteps, id: string): Promise<DeliveryRecord> {
  const found = await readDelivery(steps.redis, steps.keys, id);
  if (found === null) throw new Error(`no delivery ${id}`);
  return found;
}

const DELIVERED: Judgement = { outcome: 'delivered', delayMs: 0, health: 'up' };
const DOWN: Judgement = { outcome: 'retry', delayMs: 3_600_000, health: 'down' };
const ROW = { at: 1, status: 200, error: null, ms: 5 };

/** One whole try; throws when it is not this item's turn. */
async function tryOnce(steps: WebhookSteps, item: WebhookItem | undefined, end: Judgement): Promise<WebhookItem[]> {
  if (item === undefined || (await beginTry(steps, item)) === null) throw new Error('it is not its turn');
  return finishTry(steps, item, ROW, end);
}

describe('a delivery', () => {
  test('is queued at once, tried and delivered', async () => {
    const steps = stepsWith();
    const { id, items } = await make(steps, newHost());
    expect(items).toEqual([{ eventId: id, turn: 1 }]);
    expect(await record(steps, id)).toMatchObject({ state: 'pending', tries: 0, log: [], nextAt: expect.any(Number) });
    expect(await beginTry(steps, { eventId: id, turn: 1 })).toMatchObject({ body: `{"id":"${id}"}`, failures: 0 });
    expect(await finishTry(steps, { eventId: id, turn: 1 }, ROW, DELIVERED)).toEqual([]);
    expect(await record(steps, id)).toMatchObject({ state: 'delivered', tries: 1, log: [ROW], nextAt: null });
    expect(await beginTry(steps, { eventId: id, turn: 1 })).toBeNull();
  });

  test('made twice stays as it was, and leaves the outbox', async () => {
    const steps = stepsWith();
    const host = newHost();
    const from = { host, line: `job.failed ${newJobId()} 1 1 -` };
    await put(steps, from);
    expect(await takeOutbox(steps, 10, 60_000)).toEqual([from]);
    const id = eventIdOf(newJobId(), 1);
    const facts = { type: 'job.failed', subject: 'job_1', account: 'acme', url: `http://${host}/`, createdAt: 1 };
    expect(await createDelivery(steps, { ...facts, id, body: 'first' }, from)).toHaveLength(1);
    expect(await outboxDepth(steps.redis, steps.keys)).toBe(0);
    expect(await steps.redis.zscore(steps.keys.outbox, host)).toBeNull();
    expect(await createDelivery(steps, { ...facts, id, body: 'second' }, from)).toEqual([]);
    expect((await beginTry(steps, { eventId: id, turn: 1 }))?.body).toBe('first');
  });

  test('waits for its next try and is not sent meanwhile, whatever items turn up', async () => {
    const steps = stepsWith();
    const host = newHost();
    const { id, items } = await make(steps, host);
    expect(await tryOnce(steps, items[0], { ...DOWN, health: 'up' })).toEqual([]);
    expect(await record(steps, id)).toMatchObject({ state: 'pending', tries: 1 });
    expect(await beginTry(steps, { eventId: id, turn: 1 })).toBeNull();
    expect(await admitDue(steps, host)).toEqual([]);
    expect(await dueReceivers(steps, Date.now(), 100)).not.toContain(host);
    expect(await dueReceivers(steps, Date.now() + 3_700_000, 100)).toContain(host);
  });

  test('is tried again when it is due, under the next turn, and knows its failures', async () => {
    const steps = stepsWith();
    const host = newHost();
    const { id, items } = await make(steps, host);
    await tryOnce(steps, items[0], { ...DOWN, delayMs: 0, health: 'up' });
    const again = { eventId: id, turn: 2 };
    // Due in the same millisecond it may have been admitted by the step itself.
    expect([...(await admitDue(steps, host)), again]).toContainEqual(again);
    expect(await beginTry(steps, again)).toMatchObject({ failures: 1 });
  });

  test('whose worker died is sent again, and the lost try is in the log', async () => {
    const steps = stepsWith();
    const { id, items } = await make(steps, newHost());
    const [item] = items;
    await beginTry(steps, item ?? { eventId: '', turn: 0 });
    await tryOnce(steps, item, DELIVERED);
    expect((await record(steps, id)).log).toEqual([
      { at: expect.any(Number), status: null, error: 'worker_lost', ms: null },
      ROW,
    ]);
  });

  test('given to the queue and lost there is queued again, and only then', async () => {
    const host = newHost();
    const { items } = await make(stepsWith(), host);
    expect(await admitDue(stepsWith(), host)).toEqual([]);
    expect(await admitDue(stepsWith({ lostAfterMs: 0 }), host)).toEqual(items);
  });

  test.each(['gone', 'failed'] as const)('that is %s is not tried again', async (outcome) => {
    const steps = stepsWith();
    const host = newHost();
    const { id, items } = await make(steps, host);
    await tryOnce(steps, items[0], { outcome, delayMs: 0, health: 'up' });
    expect(await record(steps, id)).toMatchObject({ state: outcome, nextAt: null });
    expect(await dueReceivers(steps, Date.now() + 1e9, 1_000)).not.toContain(host);
  });

  test('keeps the newest fifty tries and counts all', async () => {
    const steps = stepsWith();
    const { id, items } = await make(steps, newHost());
    const item = items[0] ?? { eventId: '', turn: 0 };
    for (let at = 1; at <= 60; at += 1) await finishTry(steps, item, { ...ROW, at }, { ...DOWN, health: 'up' });
    const { tries, log } = await record(steps, id);
    expect([tries, log.length, log[0]?.at, log.at(-1)?.at]).toEqual([60, 50, 11, 60]);
  });

  test('vanishes with its retention; what is left of it harms nobody', async () => {
    const steps = stepsWith();
    const host = newHost();
    const { id, items } = await make(steps, host);
    expect(await steps.redis.pttl(steps.keys.delivery(id))).toBeGreaterThan(3_500_000);
    await steps.redis.del(steps.keys.delivery(id));
    expect(await beginTry(steps, items[0] ?? { eventId: '', turn: 0 })).toBeNull();
    expect(await finishTry(steps, items[0] ?? { eventId: '', turn: 0 }, ROW, DOWN)).toEqual([]);
    expect(await admitDue(stepsWith({ lostAfterMs: 0 }), host)).toEqual([]);
    expect(await steps.redis.exists(steps.keys.delivery(id))).toBe(0);
    expect(await dueReceivers(steps, Date.now() + 1e9, 1_000)).not.toContain(host);
  });
});

describe('a host', () => {
  test('has at most its window in the queue; what ends makes room', async () => {
    const steps = stepsWith({ window: 3 });
    const host = newHost();
    const made: Made[] = [];
    for (let i = 0; i < 10; i += 1) made.push(await make(steps, host));
    const queued = made.flatMap(({ items }) => items);
    expect(queued).toHaveLength(3);
    const next = await tryOnce(steps, queued[0], DELIVERED);
    expect(next.map(({ eventId }) => eventId)).toEqual([made[3]?.id]);
  });

  test('that fails has half as many each time, then rests; its deliveries wait and nothing is looked at', async () => {
    const steps = stepsWith({ window: 8, threshold: 3, firstRestMs: 60_000 });
    const host = newHost();
    const made: Made[] = [];
    for (let i = 0; i < 20; i += 1) made.push(await make(steps, host));
    const queued = made.flatMap(({ items }) => items);
    expect(queued).toHaveLength(8);
    for (const item of queued) expect(await tryOnce(steps, item, DOWN)).toEqual([]);
    expect(await admitDue(steps, host)).toEqual([]);
    expect(await dueReceivers(steps, Date.now() + 50_000, 1_000)).not.toContain(host);
    expect(await dueReceivers(steps, Date.now() + 61_000, 1_000)).toContain(host);
  });

  test('is probed by one delivery after its rest, rests twice as long when that fails, and goes on when it succeeds', async () => {
    const steps = stepsWith({ window: 8, threshold: 2, firstRestMs: 30_000 });
    const host = newHost();
    const receiver = steps.keys.receiver(host);
    const made: Made[] = [];
    for (let i = 0; i < 20; i += 1) made.push(await make(steps, host));
    for (const item of made.flatMap(({ items }) => items)) await tryOnce(steps, item, DOWN);
    const rest = async (): Promise<number> => Number(await steps.redis.hget(receiver, 'restUntil')) - Date.now();
    expect(Math.abs((await rest()) - 30_000)).toBeLessThan(2_000);

    await steps.redis.hset(receiver, 'restUntil', Date.now() - 1);
    const probes = await admitDue(steps, host);
    expect(probes).toHaveLength(1);
    expect(await tryOnce(steps, probes[0], DOWN)).toEqual([]);
    expect(Math.abs((await rest()) - 60_000)).toBeLessThan(2_000);

    await steps.redis.hset(receiver, 'restUntil', Date.now() - 1);
    const [probe] = await admitDue(steps, host);
    expect(await tryOnce(steps, probe, DELIVERED)).toHaveLength(8);
    expect(await steps.redis.exists(receiver)).toBe(0);
  });

  test('does not rest while some of its tries get through', async () => {
    const steps = stepsWith({ threshold: 3 });
    const host = newHost();
    for (let i = 0; i < 12; i += 1) {
      const { items } = await make(steps, host);
      await tryOnce(steps, items[0], i % 3 === 2 ? DELIVERED : DOWN);
    }
    expect(await steps.redis.hget(steps.keys.receiver(host), 'restUntil')).toBeNull();
  });

  test('that has been away for longer than a schedule takes with it what waited all that time', async () => {
    const steps = stepsWith({ threshold: 1, firstRestMs: 60_000, giveUpAfterMs: 86_400_000 });
    const host = newHost();
    const first = await make(steps, host);
    await tryOnce(steps, first.items[0], DOWN);
    const { id } = await make(steps, host);
    await steps.redis.zadd(`${steps.keys.receiver(host)}:waiting`, Date.now() - 86_400_001, id);
    expect(await admitDue(steps, host)).toEqual([]);
    const { state, log } = await record(steps, id);
    expect([state, log.at(-1)?.error]).toEqual(['failed', 'receiver_away']);
  });
});

describe('redelivery', () => {
  test.each(['delivered', 'gone', 'failed'] as const)('sends an event again that was %s', async (outcome) => {
    const steps = stepsWith();
    const host = newHost();
    const { id, items } = await make(steps, host);
    await tryOnce(steps, items[0], { outcome, delayMs: 0, health: 'up' });
    expect(await redeliver(steps.redis, steps.keys, 'acme', id)).toBe(true);
    expect(await dueReceivers(steps, Date.now(), 1_000)).toContain(host);
    expect(await admitDue(steps, host)).toEqual([{ eventId: id, turn: 2 }]);
    await tryOnce(steps, { eventId: id, turn: 2 }, DELIVERED);
    expect(await record(steps, id)).toMatchObject({ state: 'delivered', tries: 2 });
  });

  test('does not wait for the end of a rest', async () => {
    const steps = stepsWith({ threshold: 1, firstRestMs: 60_000 });
    const host = newHost();
    const { id, items } = await make(steps, host);
    await tryOnce(steps, items[0], DOWN);
    expect(await admitDue(steps, host)).toEqual([]);
    await redeliver(steps.redis, steps.keys, 'acme', id);
    expect(await admitDue(steps, host)).toEqual([{ eventId: id, turn: 2 }]);
  });

  test('of an event that is being tried starts the schedule anew when that fails', async () => {
    const steps = stepsWith();
    const { id, items } = await make(steps, newHost());
    const item = items[0] ?? { eventId: '', turn: 0 };
    await beginTry(steps, item);
    await redeliver(steps.redis, steps.keys, 'acme', id);
    const next = await finishTry(steps, item, ROW, { outcome: 'failed', delayMs: 0, health: 'up' });
    expect(next).toEqual([{ eventId: id, turn: 2 }]);
    expect(await beginTry(steps, { eventId: id, turn: 2 })).toMatchObject({ failures: 0 });
  });

  test('is refused to other accounts', async () => {
    const steps = stepsWith();
    const { id } = await make(steps, newHost());
    expect(await redeliver(steps.redis, steps.keys, 'other', id)).toBe(false);
    expect(await redeliver(steps.redis, steps.keys, 'acme', 'evt_none')).toBe(false);
    expect(await steps.redis.exists(steps.keys.delivery('evt_none'))).toBe(0);
  });
});

describe('the outbox', () => {
  test('serves each host alike, whoever came first, and gives an event to one worker', async () => {
    const steps = stepsWith();
    const [flooded, quiet] = [newHost(), newHost()];
    const flood = Array.from({ length: 20 }, (_, i) => ({ host: flooded, line: `job.failed job_${i} 1 1 -` }));
    for (const [i, line] of flood.entries()) await put(steps, line, i + 1);
    const late = { host: quiet, line: 'job.failed job_late 1 1 -' };
    await put(steps, late, 1_000);
    const first = await takeOutbox(steps, 4, 60_000);
    expect(first).toEqual([...flood.slice(0, 2), late]);
    expect(await takeOutbox(steps, 4, 60_000)).toEqual(flood.slice(2, 6));
    expect(await takeOutbox(steps, 100, 60_000)).toEqual(flood.slice(6));
    expect(await takeOutbox(steps, 100, 60_000)).toEqual([]);
    expect(await outboxDepth(steps.redis, steps.keys)).toBe(21);
    for (const line of [...flood, late]) await dropEvent(steps, line);
    expect(await outboxDepth(steps.redis, steps.keys)).toBe(0);
  });

  test('has an event again when the lease of who took it is over, and new ones of its host before', async () => {
    const steps = stepsWith();
    const host = newHost();
    const lost = { host, line: 'job.failed job_1 1 1 -' };
    const fresh = { host, line: 'job.failed job_2 1 1 -' };
    await put(steps, lost);
    expect(await takeOutbox(steps, 10, 60_000)).toEqual([lost]);
    await put(steps, fresh);
    expect(await takeOutbox(steps, 10, 60_000)).toEqual([fresh]);
    await put(steps, lost, 1); // as if its lease had ended
    expect(await takeOutbox(steps, 10, 60_000)).toEqual([lost]);
  });
});

describe('the list', () => {
  test('shows an account its own, newest first, by filters and pages', async () => {
    const steps = stepsWith();
    const account = 'lister';
    const [host, other] = [newHost(), newHost()];
    const made: Made[] = [];
    for (let i = 0; i < 7; i += 1)
      made.push(await make(steps, i % 2 === 0 ? host : other, account, i === 6 ? 'job.failed' : 'job.completed'));
    await make(steps, host, 'somebody-else');
    await tryOnce(steps, made[0]?.items[0], DELIVERED);
    const list = (query: Partial<Parameters<typeof listDeliveries>[3]>) =>
      listDeliveries(steps.redis, steps.keys, account, { filter: {}, limit: 10, order: 'desc', after: null, ...query });
    const ids = async (query: Parameters<typeof list>[0]) => (await list(query)).deliveries.map(({ id }) => id);
    const all = await ids({});
    expect([...all].sort()).toEqual(made.map(({ id }) => id).sort());
    expect(await ids({ order: 'asc' })).toEqual(all.toReversed());
    expect(await ids({ filter: { state: 'delivered' } })).toEqual([made[0]?.id]);
    expect(await ids({ filter: { type: 'job.failed' } })).toEqual([made[6]?.id]);
    expect((await ids({ filter: { host: other } })).length).toBe(3);
    const page = await list({ limit: 3 });
    expect(page.hasMore).toBe(true);
    expect(await ids({ limit: 10, after: page.cursor })).toEqual(all.slice(3));
    expect((await list({ limit: 7 })).hasMore).toBe(false);
  });
});
