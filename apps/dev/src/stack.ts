// The whole service as real processes on loopback: redis-server, upstream simulator, api, workers. Used by `npm start`,
// the demo, the e2e tests and the benchmarks, so that all of them see the same thing.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { findQuietPort } from '@darkroom/simulator/http/free-port.ts';
import { type Child, startChild } from './child.ts';
import { type RedisServer, startRedisServer } from './redis-server.ts';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
type Env = Readonly<Record<string, string>>;

export interface StackOptions {
  /** Where Redis and images are kept; a new temporary folder by default. */
  readonly directory?: string;
  /** An existing Redis; by default a private one is started. */
  readonly redisUrl?: string;
  readonly redisBinary?: string;
  /** Port of the API; 0 = any. */
  readonly port?: number;
  /** An upstream (URL with /v1) and its key; by default the simulator is started. */
  readonly upstream?: { readonly baseUrl: string; readonly apiKey: string };
  /** Flags of the simulator, e.g. `['--reality', 'everything']`. */
  readonly simulatorArgs?: readonly string[];
  readonly workers?: number;
  /** Added to the environment of api and workers. */
  readonly env?: Env;
  readonly onLine?: (name: string, line: string) => void;
}

export interface Stack {
  readonly apiUrl: string;
  readonly directory: string;
  readonly redisUrl: string;
  readonly redis: RedisServer | null;
  /** The simulator's address without /v1; null with another upstream. */
  readonly simulatorUrl: string | null;
  readonly api: Child;
  readonly workers: readonly Child[];
  /** Starts the API again on the same port after it was killed or stopped. */
  restartApi(env?: Env): Promise<Child>;
  /** Starts one more worker. */
  addWorker(env?: Env): Promise<Child>;
  /** Stops workers first, then the API, the simulator and Redis. */
  stop(): Promise<void>;
}

/** Starts everything and waits until it is ready; when a part fails to start, those before it are stopped. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const started: Child[] = [];
  try {
    return await start(options, started);
  } catch (error) {
    await Promise.all(started.map((child) => child.stop()));
    throw error;
  }
}

async function start(options: StackOptions, started: Child[]): Promise<Stack> {
  const directory = options.directory ?? mkdtempSync(join(tmpdir(), 'darkroom-'));
  const redis = options.redisUrl === undefined ? await startPrivateRedis(options, directory) : null;
  if (redis) started.push(redis.child);
  const redisUrl = options.redisUrl ?? redis?.url ?? '';
  const simulator = options.upstream === undefined ? await startSimulator(options) : null;
  if (simulator) started.push(simulator.child);
  const port = options.port === undefined || options.port === 0 ? await findQuietPort() : options.port;
  const env: Env = {
    HOST: '127.0.0.1',
    AUTH: 'off',
    REDIS_URL: redisUrl,
    STORAGE_URL: `file:${join(directory, 'images')}`,
    SPOOL_DIR: join(directory, 'spool'),
    OPENAI_BASE_URL: options.upstream?.baseUrl ?? `${simulator?.url}/v1`,
    OPENAI_API_KEY: options.upstream?.apiKey ?? 'sk-simulator',
    ...options.env,
  };
  const spawnApp = (name: string, extra: Env): Child => {
    const child = startChild({
      name,
      command: process.execPath,
      args: [join(ROOT, 'apps', name, 'src/main.ts')],
      env: { ...env, ...extra },
      cwd: directory,
      ...(options.onLine === undefined ? {} : { onLine: (line: string) => options.onLine?.(name, line) }),
    });
    started.push(child);
    return child;
  };
  const startApi = async (extra: Env = {}): Promise<Child> => {
    const child = spawnApp('api', { PORT: String(port), ...extra });
    await untilLive(`http://127.0.0.1:${port}/livez`, child);
    return child;
  };
  const startWorker = async (extra: Env = {}): Promise<Child> => {
    const livePort = await findQuietPort();
    const child = spawnApp('worker', { PORT: String(livePort), ...extra });
    await untilLive(`http://127.0.0.1:${livePort}/livez`, child);
    return child;
  };

  let api = await startApi();
  const workers: Child[] = [];
  for (let index = 0; index < (options.workers ?? 1); index += 1) workers.push(await startWorker());
  return {
    apiUrl: `http://127.0.0.1:${port}`,
    directory,
    redisUrl,
    redis,
    simulatorUrl: simulator?.url ?? null,
    get api() {
      return api;
    },
    workers,
    async restartApi(extra) {
      api = await startApi(extra);
      return api;
    },
    async addWorker(extra) {
      const worker = await startWorker(extra);
      workers.push(worker);
      return worker;
    },
    async stop() {
      await Promise.all(workers.map((worker) => worker.stop()));
      await api.stop();
      await simulator?.child.stop();
      await redis?.child.stop();
    },
  };
}

/** A start takes a second or two; on a machine with much else to do once 50. */
const START_WITHIN_MS = 100_000;
const ANSWER_WITHIN_MS = 5_000;

/** Asks until the process answers; rejects with its last lines when it ends first, or takes too long. */
async function untilLive(url: string, child: Child): Promise<void> {
  const startedAt = performance.now();
  const notReady = (how: string): Error =>
    new Error(`${child.name} ${how} before it was ready:\n${child.lines.slice(-20).join('\n')}`);
  const ended = child.exited.then(({ code, signal }) => {
    throw notReady(`ended (${code ?? signal})`);
  });
  while (!(await Promise.race([isLive(url), ended])))
    if (performance.now() - startedAt > START_WITHIN_MS) throw notReady(`took more than ${START_WITHIN_MS} ms`);
}

async function isLive(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) })).ok;
  } catch {
    await setTimeout(25); // nobody listens yet
    return false;
  }
}

function startPrivateRedis(options: StackOptions, directory: string): Promise<RedisServer> {
  return startRedisServer({
    directory: join(directory, 'redis'),
    ...(options.redisBinary === undefined ? {} : { binary: options.redisBinary }),
  });
}

async function startSimulator(options: StackOptions): Promise<{ url: string; child: Child }> {
  const child = startChild({
    name: 'simulator',
    command: process.execPath,
    args: [join(ROOT, 'packages/simulator/src/main.ts'), 'upstream', '--port', '0', ...(options.simulatorArgs ?? [])],
    env: {},
    ...(options.onLine === undefined ? {} : { onLine: (line: string) => options.onLine?.('simulator', line) }),
  });
  const match = await child.line(/listening on (http:\/\/\S+)/);
  return { url: match[1] ?? '', child };
}
