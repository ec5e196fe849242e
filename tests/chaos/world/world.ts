// The whole service with everything around it, for one run: 2 APIs behind one address, 3 workers, each process with its
// own proxies to Redis, storage and upstream; a private Redis that can crash; the simulators.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Child, startChild } from '@darkroom/dev/child.ts';
import { startRedisServer } from '@darkroom/dev/redis-server.ts';
import { findQuietPort } from '@darkroom/simulator/http/free-port.ts';
import { Redis } from 'ioredis';
import { Api } from '../../support/api.ts';
import { type Hooks, startHooks } from '../../support/hooks.ts';
import { Simulator } from '../../support/simulator.ts';
import { inspectHttp } from '../proxy/http-inspector.ts';
import type { Watch } from '../proxy/points.ts';
import { inspectRedis } from '../proxy/redis-inspector.ts';
import { Scripts } from '../proxy/scripts.ts';
import { startTcpProxy, type Target, type TcpProxy } from '../proxy/tcp-proxy.ts';
import { ACCOUNT_ENV, ACCOUNTS, ADMIN_KEY } from './accounts.ts';
import { startLinkProvider } from './link-provider.ts';
import type { Log } from './log.ts';
import { buildProcess, type Env, type Role, type ServiceProcess } from './service-process.ts';
import { openStorage, type Storage } from './storage.ts';
import type { Timeline } from './timeline.ts';
import { Traps } from './traps.ts';
import { openUpstreamKeys, type UpstreamKeys } from './upstream-keys.ts';
import { WireNotes } from './wire-notes.ts';

const SIMULATOR = fileURLToPath(new URL('../../../packages/simulator/src/main.ts', import.meta.url));
const APIS = ['api-1', 'api-2'] as const;
const WORKERS = ['worker-1', 'worker-2', 'worker-3'] as const;
/** Alone on its host, with little room. */
export const SMALL_SPOOL_WORKER = WORKERS[2];
const SPOOL = 'spool';
const SMALL_SPOOL = 'spool-small';

/** Of the upstream: calls take some 0.15 s. */
export const LATENCY_SCALE = 0.02;

export interface WorldOptions {
  readonly storage: 's3' | 'disk';
  /** All models work upstream, and retired ones are asked for as they are: replies with links. */
  readonly hasLinks: boolean;
  readonly hasTwoKeys: boolean;
  /** One worker's spool holds little. */
  readonly smallSpoolBytes: number;
  readonly directory: string;
  readonly timeline: Timeline;
  readonly log: Log;
}

export interface ProcessProxies {
  readonly redis: TcpProxy;
  readonly s3: TcpProxy;
  readonly upstream: TcpProxy;
}

export interface World {
  /** Where callers go: any API that is up. */
  readonly url: string;
  readonly processes: readonly ServiceProcess[];
  readonly proxies: ReadonlyMap<string, ProcessProxies>;
  readonly front: TcpProxy;
  readonly simulator: Simulator;
  readonly storage: Storage;
  readonly hooks: Hooks;
  /** Straight to the server, past all proxies. */
  readonly redis: Redis;
  readonly traps: Traps;
  readonly timeline: Timeline;
  readonly log: Log;
  readonly upstreamKeys: UpstreamKeys;
  /** With the operator's key. */
  readonly admin: Api;
  /** Answers that lie in all spools; and those in the small one. */
  spoolFiles(): number;
  smallSpoolFiles(): number;
  readonly wire: WireNotes;
  /** SIGKILL, then a new server on the same port and files. */
  crashRedis(): Promise<void>;
  stop(): Promise<void>;
}

/** When a part fails to start, those before it are stopped. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const closers: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    for (const close of closers.toReversed()) await close();
  };
  try {
    return await start(options, closers, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function start(
  options: WorldOptions,
  closers: (() => Promise<unknown>)[],
  stop: () => Promise<void>,
): Promise<World> {
  const { directory, timeline, log } = options;
  const onLine = (name: string, line: string): void => log.note(name, line);
  const upstreamKeys = openUpstreamKeys(options.hasTwoKeys, directory);
  const [traps, wire, scripts] = [new Traps(), new WireNotes(), new Scripts()];
  const watch: Watch = (point) => {
    wire.note(point);
    return traps.watch(point);
  };
  const redisServer = await openCrashingRedis(join(directory, 'redis'), closers);
  const storage = await openStorage(options.storage, directory);
  closers.push(() => storage.stop());
  const upstreamPort = await findQuietPort();
  const links = await startTcpProxy(
    () => ({ name: 'links', port: upstreamPort }),
    inspectHttp('upstream', 'links', watch),
  );
  closers.push(() => links.stop());
  const upstream = await startUpstream(options, upstreamPort, links.port, onLine);
  closers.push(() => upstream.stop());
  const provider = options.hasLinks ? await startLinkProvider(upstreamPort) : null;
  closers.push(async () => provider?.stop());
  const secret = `whsec_${randomBytes(32).toString('base64')}`;
  const hooks = await startHooks(secret);
  closers.push(() => hooks.stop());

  const processes: ServiceProcess[] = [];
  const proxies = new Map<string, ProcessProxies>();
  const s3Port = storage.s3 === null ? null : Number(new URL(storage.s3.env['AWS_ENDPOINT_URL_S3'] ?? '').port);
  const front = await startTcpProxy(nextApi(processes), inspectHttp('front', null, watch));
  closers.push(() => front.stop());
  const add = async (name: string, role: Role, own: Env): Promise<void> => {
    const to = (port: number | null) => () => (port === null ? null : { name, port });
    const between: ProcessProxies = {
      redis: await startTcpProxy(to(redisServer.port), inspectRedis(name, scripts, watch)),
      s3: await startTcpProxy(to(s3Port), inspectHttp('s3', name, watch)),
      upstream: await startTcpProxy(to(provider?.port ?? upstreamPort), inspectHttp('upstream', name, watch)),
    };
    closers.push(() => Promise.all(Object.values(between).map((proxy: TcpProxy) => proxy.stop())));
    const env: Env = {
      ...commonEnv(options, secret, front.port),
      ...storage.envFor(between.s3.port),
      REDIS_URL: `redis://127.0.0.1:${between.redis.port}`,
      ...(role === 'worker'
        ? { OPENAI_BASE_URL: `http://127.0.0.1:${between.upstream.port}/v1`, ...upstreamKeys.env }
        : {}),
      ...own,
    };
    const process = buildProcess({ name, role, directory, env, timeline, onLine });
    proxies.set(name, between);
    processes.push(process);
  };
  for (const name of APIS) await add(name, 'api', {});
  for (const name of WORKERS) await add(name, 'worker', spoolOf(name, options));
  closers.push(() => Promise.all(processes.map((process) => endProcess(process))));
  await Promise.all(processes.map((process) => process.start()));
  return {
    url: `http://127.0.0.1:${front.port}`,
    processes,
    proxies,
    front,
    simulator: new Simulator(`http://127.0.0.1:${upstreamPort}`),
    storage,
    hooks,
    redis: redisServer.client,
    traps,
    timeline,
    log,
    upstreamKeys,
    admin: new Api(`http://127.0.0.1:${front.port}`, ADMIN_KEY),
    spoolFiles: () => spoolFilesIn(join(directory, SPOOL)) + spoolFilesIn(join(directory, SMALL_SPOOL)),
    smallSpoolFiles: () => spoolFilesIn(join(directory, SMALL_SPOOL)),
    wire,
    async crashRedis() {
      timeline.note('kill', 'redis');
      await redisServer.crash();
      timeline.note('live', 'redis');
    },
    stop,
  };
}

function spoolFilesIn(folder: string): number {
  return readdirSync(folder).filter((file) => file.endsWith('.spool')).length;
}

/** Two workers share a host's spool, the third is alone and has little room. */
function spoolOf(name: string, { directory, smallSpoolBytes }: WorldOptions): Env {
  const isAlone = name === SMALL_SPOOL_WORKER;
  const folder = join(directory, isAlone ? SMALL_SPOOL : SPOOL);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  return { SPOOL_DIR: folder, ...(isAlone ? { SPOOL_MAX_BYTES: String(smallSpoolBytes) } : {}) };
}

/** Short times, so that what waits for them fits into a run. */
function commonEnv({ hasLinks }: WorldOptions, secret: string, frontPort: number): Env {
  return {
    HOST: '127.0.0.1',
    ...ACCOUNT_ENV,
    PUBLIC_URL: `http://127.0.0.1:${frontPort}`,
    LOCK_DURATION_MS: '5000',
    CALL_TIMEOUT_MS: '8000',
    SHUTDOWN_TIMEOUT_MS: '2000',
    ALLOW_PRIVATE_URLS: '127.0.0.1',
    WEBHOOK_SECRETS: ACCOUNTS.map((account) => `${account}:${secret}`).join(','),
    MODEL_POLICY: hasLinks ? 'passthrough' : 'translate',
  };
}

function nextApi(processes: readonly ServiceProcess[]): () => Target | null {
  let turn = 0;
  return () => {
    const up = processes.flatMap(({ name, role, port }) => (role === 'api' && port !== null ? [{ name, port }] : []));
    turn += 1;
    return up[turn % up.length] ?? null;
  };
}

async function endProcess(process: ServiceProcess): Promise<void> {
  process.thaw();
  await process.stop();
}

async function startUpstream(
  { hasLinks }: WorldOptions,
  port: number,
  linksPort: number,
  onLine: (name: string, line: string) => void,
): Promise<Child> {
  const reality = hasLinks ? ['--reality', 'everything'] : [];
  const child = startChild({
    name: 'upstream',
    command: process.execPath,
    args: [
      SIMULATOR,
      'upstream',
      '--port',
      String(port),
      '--public-url',
      `http://127.0.0.1:${linksPort}`,
      '--latency-scale',
      String(LATENCY_SCALE),
      '--rendering',
      'fast',
      ...reality,
    ],
    env: {},
    onLine: (line) => onLine('upstream', line),
  });
  await child.line(/listening on/);
  return child;
}

async function openCrashingRedis(directory: string, closers: (() => Promise<unknown>)[]) {
  let server = await startRedisServer({ directory });
  closers.push(() => server.child.stop());
  const client = new Redis(server.url);
  client.on('error', () => undefined); // it is taken away on purpose
  closers.push(() => Promise.resolve(client.disconnect()));
  return {
    port: server.port,
    client,
    async crash() {
      await server.child.kill();
      server = await startRedisServer({ directory, port: server.port });
    },
  };
}
