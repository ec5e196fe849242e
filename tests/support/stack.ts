// A stack for e2e tests: real processes on a private Redis, with what a test needs to watch and to hurt them. Stopping
// it leaves nothing behind, and fails when a process or a folder is left.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Child } from '@darkroom/dev/child.ts';
import { startRedisServer } from '@darkroom/dev/redis-server.ts';
import { type Stack, type StackOptions, startStack } from '@darkroom/dev/stack.ts';
import { Redis } from 'ioredis';
import OpenAI from 'openai';
import { Api } from './api.ts';
import { Simulator } from './simulator.ts';
import { until } from './until.ts';

type Env = Readonly<Record<string, string>>;

export interface TestStack {
  readonly stack: Stack;
  readonly api: Api;
  /** The official SDK with this API as its server. */
  readonly openai: OpenAI;
  readonly simulator: Simulator;
  /** A client of the stack's Redis, for what no route shows. */
  readonly redis: Redis;
  readonly directory: string;
  /** Log lines of every process so far. */
  readonly lines: readonly string[];
  /** The newest worker. */
  readonly worker: Child;
  /** Stops all workers and starts one with other variables. */
  replaceWorkers(env: Env): Promise<Child>;
  /** Starts a worker with the stack's own variables unless one lives. */
  ensureWorker(): Promise<void>;
  /** Kills every worker that lives, SIGKILL. */
  killWorkers(): Promise<void>;
  redisProcess(): Child;
  /** SIGKILL, then a new server on the same port and files. */
  crashRedis(): Promise<void>;
  /** Another API process on the same Redis and storage. */
  addApi(env?: Env): Promise<Api>;
  /** Forgets faults, books, learned limits, stops and pauses, so that the next test starts afresh. */
  reset(): Promise<void>;
  stop(): Promise<void>;
}

const FAST = ['--latency-scale', '0', '--rendering', 'fast'];
const TEST_ENV: Env = { SHUTDOWN_TIMEOUT_MS: '2000', LOG_LEVEL: 'info' };

export async function startTestStack(options: StackOptions = {}, key: string | null = null): Promise<TestStack> {
  const before = childrenOfThisProcess();
  const directory = mkdtempSync(join(tmpdir(), 'darkroom-e2e-'));
  const redisDirectory = join(directory, 'redis');
  let redisServer = await startRedisServer({ directory: redisDirectory });
  const lines: string[] = [];
  const stacks: Stack[] = [];
  const redisChildren = [redisServer.child];
  const base: StackOptions = {
    ...options,
    directory,
    redisUrl: redisServer.url,
    simulatorArgs: [...FAST, ...(options.simulatorArgs ?? [])],
    env: { ...TEST_ENV, ...options.env },
    onLine: (name, line) => lines.push(`${name} ${line}`),
  };
  const stack = await startStack(base).catch(async (error: unknown) => {
    await redisServer.child.stop();
    rmSync(directory, { recursive: true, force: true });
    throw error;
  });
  stacks.push(stack);
  const redis = new Redis(redisServer.url);
  redis.on('error', () => undefined); // some tests take Redis away
  const simulator = new Simulator(stack.simulatorUrl ?? '');

  const addApi = async (env: Env = {}): Promise<Api> => {
    const second = await startStack({
      ...base,
      workers: 0,
      upstream: options.upstream ?? { baseUrl: `${simulator.url}/v1`, apiKey: 'sk-simulator' },
      env: { ...base.env, ...env },
    });
    stacks.push(second);
    return new Api(second.apiUrl, key);
  };

  return {
    stack,
    api: new Api(stack.apiUrl, key),
    openai: new OpenAI({ baseURL: `${stack.apiUrl}/v1`, apiKey: key ?? 'dk_unused', maxRetries: 0 }),
    simulator,
    redis,
    directory,
    lines,
    get worker() {
      const worker = stack.workers.at(-1);
      if (worker === undefined) throw new Error('this stack has no worker');
      return worker;
    },
    async replaceWorkers(env) {
      await Promise.all(stack.workers.map((worker) => worker.stop()));
      return stack.addWorker(env);
    },
    async ensureWorker() {
      if (!stack.workers.some(({ pid }) => isAlive(pid))) await stack.addWorker();
    },
    async killWorkers() {
      await Promise.all(stack.workers.map((worker) => worker.kill()));
    },
    redisProcess: () => redisServer.child,
    async crashRedis() {
      await redisServer.child.kill();
      redisServer = await startRedisServer({ directory: redisDirectory, port: redisServer.port });
      redisChildren.push(redisServer.child);
    },
    addApi,
    async reset() {
      await simulator.reset();
      await forgetLimits(redis);
    },
    async stop() {
      redis.disconnect();
      for (const one of stacks.toReversed()) await one.stop();
      await Promise.all(redisChildren.map((child) => child.stop()));
      rmSync(directory, { recursive: true, force: true });
      await assertNothingLeft(directory, before);
    },
  };
}

/** What a worker has learned of the upstream: buckets, leases, pauses, resting lanes. */
async function forgetLimits(redis: Redis): Promise<void> {
  const patterns = [
    '*:bucket:*',
    '*:leases:*',
    '*:upstream-key:*',
    '*:limit-names:*',
    '*:limiter',
    '*:retired-models',
    '*:shutdown-dates',
  ];
  const found = await Promise.all(patterns.map((pattern) => redis.keys(pattern)));
  const keys = found.flat();
  if (keys.length > 0) await redis.del(...keys);
}

/** Also finds processes nobody keeps a handle of: whatever this process has started since `before`. */
async function assertNothingLeft(directory: string, before: ReadonlySet<number>): Promise<void> {
  const left = (): number[] => [...childrenOfThisProcess()].filter((pid) => !before.has(pid) && isAlive(pid));
  try {
    await until('every process has gone', () => left().length === 0, 2_000);
  } finally {
    for (const pid of left()) process.kill(pid, 'SIGKILL');
  }
  if (existsSync(directory)) throw new Error(`${directory} was left behind`);
}

/** Empty where there is no /proc. */
function childrenOfThisProcess(): ReadonlySet<number> {
  const file = `/proc/${process.pid}/task/${process.pid}/children`;
  if (!existsSync(file)) return new Set();
  return new Set(readFileSync(file, 'utf8').trim().split(' ').filter(Boolean).map(Number));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
