import { keysOf } from '@darkroom/shared/base/keys.ts';
import { createMetrics } from '@darkroom/shared/telemetry/metrics.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Breaker, buildBreaker } from './breaker.ts';

let server: TestRedis;
const signal = new AbortController().signal;

beforeAll(async () => {
  server = await openTestRedis();
});
afterAll(() => server.close());

function build(processId: string): Breaker {
  const [keys, metrics, log] = [keysOf(server.prefix), createMetrics(), pino({ level: 'silent' })];
  return buildBreaker({ redis: server.redis, keys, metrics, log, processId });
}

test('opens when storage fails, says so once, and lets those who wait go on when it closes', async () => {
  const breaker = build('one');
  let opened = 0;
  breaker.onOpen(() => {
    opened += 1;
  });
  await breaker.untilClosed(signal);
  breaker.trip('away');
  breaker.trip('away');
  expect([breaker.isOpen, opened]).toEqual([true, 1]);
  const waiting = breaker.untilClosed(signal);
  breaker.close();
  await waiting;
  expect(breaker.isOpen).toBe(false);
  breaker.trip('away');
  expect(opened).toBe(2);
});

test('who stops does not wait for the storage', async () => {
  const breaker = build('one');
  breaker.trip('away');
  const stopping = new AbortController();
  const waiting = breaker.untilClosed(stopping.signal);
  stopping.abort(new Error('stopping'));
  await expect(waiting).rejects.toThrow('stopping');
  await expect(breaker.untilClosed(stopping.signal)).rejects.toThrow('stopping');
});

test('other processes hear of it and try the storage before their next call; they tell nobody themselves', async () => {
  const [one, other, third] = [build('one'), build('other'), build('third')];
  const subscribers = [server.redis.duplicate(), server.redis.duplicate(), server.redis.duplicate()] as const;
  await one.listen(subscribers[0]);
  await other.listen(subscribers[1]);
  await third.listen(subscribers[2]);
  one.trip('away');
  await expect.poll(() => other.isOpen && third.isOpen).toBe(true);
  one.close();
  other.close();
  third.doubt('slow');
  await server.redis.publish(keysOf(server.prefix).storageChanges, 'one'); // its own message
  await expect.poll(() => other.isOpen).toBe(true);
  expect(one.isOpen).toBe(false);
  third.trip('away'); // what it doubted it has seen
  await expect.poll(() => one.isOpen).toBe(true);
  for (const subscriber of subscribers) subscriber.disconnect();
});
