// On a real server behind a line that is slow, still and cut: a reply always belongs to its command.
import { type BadLine, openBadLine } from '@darkroom/testing/bad-line.ts';
import { startRedisServer, type TestRedisServer } from '@darkroom/testing/redis-server.ts';
import { Queue, Worker } from 'bullmq';
import type { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { openRedis, type RedisManner } from './redis.ts';

let server: TestRedisServer;
let line: BadLine;
const opened: Redis[] = [];

beforeAll(async () => {
  server = await startRedisServer();
});
afterAll(() => server.stop());
beforeEach(async () => {
  line = await openBadLine(server.port);
});
afterEach(async () => {
  for (const redis of opened.splice(0)) redis.disconnect();
  await line.stop();
});

async function open(manner: RedisManner, port = line.port): Promise<Redis> {
  const redis = await openRedis(`redis://127.0.0.1:${port}`, manner, () => undefined);
  opened.push(redis);
  return redis;
}

const LARGE = 'x'.repeat(300_000);
const ECHO_ONCE = "return {ARGV[1], redis.call('INCR', KEYS[1])}";

/** Of a command in a pipeline or transaction, whose errors are told one by one. */
function toAnswer(reply: [error: Error | null, answer: unknown] | undefined): unknown {
  if (reply?.[0]) throw reply[0];
  return reply?.[1];
}

/** One of many kinds of command, whose reply holds `tag`; true when it does. */
async function ask(redis: Redis, tag: string, kind: number): Promise<boolean> {
  switch (kind % 6) {
    case 0:
      return (await redis.echo(tag)) === tag;
    case 1:
      return (await redis.echo(tag + LARGE)) === tag + LARGE;
    case 2:
      return ((await redis.eval(ECHO_ONCE, 1, `once:${tag}`, tag)) as string[])[0] === tag;
    case 3: {
      const [echo] = (await redis.multi().echo(tag).incr(`once:${tag}`).exec()) ?? [];
      return toAnswer(echo) === tag;
    }
    case 4: {
      const [a, refusal, b] =
        (await redis.pipeline().echo(`${tag} a`).call('NONSENSE', tag).echo(`${tag} b`).exec()) ?? [];
      const isOwn = toAnswer(a) === `${tag} a` && toAnswer(b) === `${tag} b`;
      return isOwn && String(refusal?.[0]?.message).includes('NONSENSE');
    }
    default:
      await redis.set(`set:${tag}`, tag, 'PX', 60_000);
      return (await redis.get(`set:${tag}`)) === tag;
  }
}

interface Asked {
  right: number;
  wrong: number;
  refused: number;
}

function untilEvent(redis: Redis, name: 'ready' | 'close'): Promise<void> {
  return new Promise((resolve) => {
    redis.once(name, resolve);
  });
}

/** 20 callers ask without a pause; what each gets is compared with what it asked for. */
function startAsking(redis: Redis, name: string) {
  const asked: Asked = { right: 0, wrong: 0, refused: 0 };
  const over = new AbortController();
  const asker = async (_: unknown, place: number): Promise<void> => {
    for (let turn = 0; !over.signal.aborted; turn += 1) {
      const answer = await ask(redis, `${name}-${place}-${turn}`, place + turn).catch(() => null);
      asked[answer === null ? 'refused' : answer ? 'right' : 'wrong'] += 1;
      // A client that fails at once would be asked again and again, and nothing else would happen.
      if (answer === null) await new Promise(setImmediate);
      if (redis.status !== 'ready') await untilEvent(redis, 'ready');
    }
  };
  const askers = Promise.all(Array.from({ length: 20 }, asker));
  return {
    asked,
    stop: async (): Promise<void> => {
      over.abort();
      await askers;
    },
  };
}

/** Each trouble as soon as 60 more have been answered, or another client on a good line has been while this one stands still. */
async function trouble(redis: Redis, name: string): Promise<Asked> {
  const watch = await open('patient', server.port);
  redis.setMaxListeners(0); // all 20 callers wait for the same connection
  const { asked, stop } = startAsking(redis, name);
  const untilMore = async (): Promise<void> => {
    for (const before = asked.right; asked.right + asked.wrong < before + 60; ) await watch.ping();
  };
  const stillness = async (): Promise<void> => {
    for (let trip = 0; trip < 100; trip += 1) await watch.ping();
  };
  await untilMore();
  for (const next of [() => line.slow(2), () => line.cut(), () => line.slow(0), () => redis.disconnect(true)]) {
    line.freeze(true);
    await stillness();
    next();
    line.freeze(false);
    await untilMore();
    next();
    await untilMore();
  }
  await stop();
  return asked;
}

async function countsOf(name: string): Promise<number[]> {
  const watch = await open('patient', server.port);
  const keys = await watch.keys(`once:${name}-*`);
  return (await Promise.all(keys.map((key) => watch.get(key)))).map(Number);
}

describe('commands of one turn', () => {
  it('go out together, in their order, each with its own answer, on later connections too', async () => {
    const redis = await open('patient');
    for (const connection of ['first', 'second']) {
      const lengths = Array.from({ length: 100 }, (_, index) => redis.rpush(`list:${connection}`, index));
      // None has left yet: they go out together when the turn is over.
      expect(redis.stream.writableLength).toBeGreaterThan(100 * 'rpush'.length);
      expect(await Promise.all(lengths)).toEqual(lengths.map((_, index) => index + 1));
      expect(redis.stream.writableLength).toBe(0);
      const isReady = untilEvent(redis, 'ready');
      redis.disconnect(true);
      await isReady;
    }
  });

  it('are written before the line is hung up', async () => {
    const redis = await open('fast');
    const answer = redis.set('last', 'word').catch(() => null);
    redis.disconnect();
    await answer;
    const watch = await open('patient', server.port);
    while ((await watch.get('last')) === null);
    expect(await watch.get('last')).toBe('word');
  });
});

describe('on a line that is slow, still and cut', () => {
  it('every answer is that of its command, and a client that fails at once sends nothing twice', async () => {
    const { right, wrong, refused } = await trouble(await open('fast'), 'fast');
    expect(wrong).toBe(0);
    expect(right).toBeGreaterThan(200);
    expect(refused).toBeGreaterThan(0);
    const counts = await countsOf('fast');
    expect(counts.length).toBeGreaterThan(50);
    expect(Math.max(...counts)).toBe(1);
  });

  it('a patient client answers all of them, each its own', async () => {
    const { right, wrong, refused } = await trouble(await open('patient'), 'patient');
    expect([wrong, refused]).toEqual([0, 0]);
    expect(right).toBeGreaterThan(200);
  });

  it('what was asked while the line was down is answered in its order', async () => {
    const redis = await open('patient');
    const isClosed = untilEvent(redis, 'close');
    line.cut();
    await isClosed;
    const answers = Array.from({ length: 50 }, (_, index) => redis.rpush('offline', index));
    expect(await Promise.all(answers)).toEqual(answers.map((_, index) => index + 1));
    expect(await redis.lrange('offline', 0, -1)).toEqual(answers.map((_, index) => String(index)));
  });

  it('a subscriber hears on, and what it hears is whole', async () => {
    const subscriber = await open('patient');
    const speaker = await open('patient', server.port);
    await subscriber.subscribe('news');
    const heard: string[] = [];
    subscriber.on('message', (_, message: string) => heard.push(message));
    line.slow(1);
    const said = Array.from({ length: 30 }, (_, index) => `${index} ${LARGE.slice(0, 9_000)}`);
    for (const message of said) await speaker.publish('news', message);
    while (heard.length < said.length) await speaker.ping();
    expect(heard).toEqual(said);
    const isReady = untilEvent(subscriber, 'ready');
    line.cut();
    await isReady;
    while ((await speaker.publish('news', 'again')) === 0);
    while (heard.at(-1) !== 'again') await speaker.ping();
  });

  it('BullMQ works every item off, with its own connections for waiting', async () => {
    const connection = await open('patient');
    const queue = new Queue<{ n: number }>('troubled', { connection, prefix: '{t}' });
    const done = new Set<number>();
    const worker = new Worker<{ n: number }>(queue.name, async ({ data }) => void done.add(data.n), {
      connection,
      prefix: '{t}',
      concurrency: 10,
      drainDelay: 1,
      lockDuration: 2_000,
      stalledInterval: 500,
      maxStalledCount: 100,
    });
    queue.on('error', () => undefined); // the line is cut on purpose
    worker.on('error', () => undefined);
    const troubles = [() => line.slow(2), () => line.cut(), () => line.slow(0), () => line.cut()];
    for (const [round, next] of troubles.entries()) {
      next();
      await Promise.all(
        Array.from({ length: 25 }, (_, index) => queue.add('item', { n: round * 25 + index }, { attempts: 100 })),
      );
    }
    const watch = await open('patient', server.port);
    while (done.size < 100) await watch.ping();
    expect(done.size).toBe(100);
    await worker.close();
    await queue.close();
  });
});
