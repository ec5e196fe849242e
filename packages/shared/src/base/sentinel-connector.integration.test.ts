import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { startRedisServer, type TestRedisServer } from '@darkroom/testing/redis-server.ts';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { openRedis } from './redis.ts';

const NEWS = ['message', '+switch-master', 'master 127.0.0.1 1 127.0.0.1 2'];

/** A sentinel that can be slow to say who the master is, and tells of failovers when it is told to. */
async function startSentinel(masterPort: () => number) {
  const watchers = new Set<Socket>();
  const seen = { asked: 0, watched: 0 };
  let answering = Promise.resolve();
  const answer = async (socket: Socket, command: string): Promise<string> => {
    if (command.includes('get-master-addr-by-name')) {
      seen.asked += 1;
      await answering;
      return toArray(['127.0.0.1', String(masterPort())]);
    }
    if (command.includes('sentinels')) return '*0\r\n';
    if (/subscribe/i.test(command)) {
      seen.watched += 1;
      watchers.add(socket);
      return `*3\r\n${toBulk('subscribe')}${toBulk('+switch-master')}:1\r\n`;
    }
    return /HELLO/i.test(command) ? "-ERR unknown command 'HELLO'\r\n" : '+OK\r\n';
  };
  const server = createServer((socket) => {
    socket.on('close', () => watchers.delete(socket)).on('error', () => undefined);
    socket.on('data', (data) => {
      const commands = data.toString().split(/(?=\*\d+\r\n)/);
      void Promise.all(commands.map((command) => answer(socket, command))).then((replies) =>
        socket.write(replies.join('')),
      );
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    seen,
    /** Keeps back who the master is until the returned function is called. */
    hold(): () => void {
      const { promise, resolve } = Promise.withResolvers<void>();
      answering = promise;
      return resolve;
    },
    tellOfFailover(): void {
      for (const socket of watchers) socket.write(toArray(NEWS));
    },
    close: () => server.close(),
  };
}

function toBulk(text: string): string {
  return `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
}

function toArray(texts: readonly string[]): string {
  return `*${texts.length}\r\n${texts.map(toBulk).join('')}`;
}

let first: TestRedisServer;
let second: TestRedisServer;

beforeAll(async () => {
  [first, second] = await Promise.all([startRedisServer(), startRedisServer()]);
});
afterAll(() => Promise.all([first.stop(), second.stop()]));

it('the news of a failover does not end a client that is connecting anew', async () => {
  let master = first.port;
  const sentinel = await startSentinel(() => master);
  const redis = await openRedis(`redis-sentinel://127.0.0.1:${sentinel.port}/master`, 'patient', () => undefined);
  await expect.poll(() => sentinel.seen.watched).toBe(1);
  const asked = sentinel.seen.asked;
  const release = sentinel.hold();
  await first.stop();
  await expect.poll(() => sentinel.seen.asked).toBeGreaterThan(asked);
  master = second.port;
  sentinel.tellOfFailover();
  const answer = redis.set('at', 'second');
  release();
  expect(await answer).toBe('OK');
  expect(redis.options.sentinels).toHaveLength(1);
  redis.disconnect();
  sentinel.close();
});

it('the news of a failover ends the connection to a master that does not answer any more', async () => {
  let master = first.port;
  first = await startRedisServer(first.port);
  const sentinel = await startSentinel(() => master);
  const redis = await openRedis(`redis-sentinel://127.0.0.1:${sentinel.port}/master`, 'patient', () => undefined);
  const copy = redis.duplicate();
  await expect.poll(() => sentinel.seen.watched).toBe(2);
  first.signal('SIGSTOP');
  const answers = [redis.get('at'), copy.get('at')];
  master = second.port;
  sentinel.tellOfFailover();
  expect(await Promise.all(answers)).toEqual(['second', 'second']);
  redis.disconnect();
  copy.disconnect();
  sentinel.close();
  first.signal('SIGCONT');
});

it('a sentinel that is down, while another answers, prints nothing past the logger', async () => {
  const [sentinel, gone] = await Promise.all([startSentinel(() => second.port), startSentinel(() => second.port)]);
  gone.close();
  const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined);
  const url = `redis-sentinel://127.0.0.1:${gone.port},127.0.0.1:${sentinel.port}/master`;
  const redis = await openRedis(url, 'patient', () => undefined);
  await expect.poll(() => sentinel.seen.watched).toBe(1);
  await redis.ping();
  expect(printed.mock.calls).toEqual([]);
  printed.mockRestore();
  redis.disconnect();
  sentinel.close();
});
