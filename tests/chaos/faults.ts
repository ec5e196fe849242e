// What is done to processes, lines, storage and receivers beside the named kills; the upstream's faults are in
// upstream-faults.ts.
import { setTimeout as pause } from 'node:timers/promises';
import { until } from '../support/until.ts';
import { type Conditions, type Fault, type Felt, felt } from './fault.ts';
import type { Random } from './random.ts';
import { UPSTREAM_FAULTS } from './upstream-faults.ts';
import type { ServiceProcess } from './world/service-process.ts';
import { SMALL_SPOOL_WORKER, type World } from './world/world.ts';

/** Longer than the lock of an item. */
const BEYOND_LOCK_MS = 6_500;
const BUSY_WITHIN_MS = 15_000;
const SPOOLED_WITHIN_MS = 6_000;
const SPARED_WITHIN_MS = 20_000;

function aProxy(
  name: string,
  link: 'redis' | 's3' | 'upstream',
  act: (world: World, who: string) => Promise<Felt>,
): Fault {
  return {
    name,
    isBeside: true,
    ...(link === 's3' ? { needs: ({ storage }: Conditions) => storage === 's3' } : {}),
    async act(world, random) {
      const isUp = ({ condition }: ServiceProcess): boolean => condition === 'up';
      await untilSeen(() => world.processes.some(isUp));
      return act(world, random.pick(world.processes.filter(isUp).map(({ name }) => name)));
    },
  };
}

/** Connections with a request under way are the ones that feel it. */
function cutAll(link: 'redis' | 's3' | 'upstream'): (world: World) => Promise<Felt> {
  return async (world) => {
    const { timeline } = world;
    const lines = [...world.proxies.values()].map((proxies) => proxies[link]);
    await untilSeen(() => lines.some((proxy) => proxy.busy > 0));
    timeline.note(`${link} cut`);
    return felt(lines.reduce((sum, proxy) => sum + proxy.cut(), 0));
  };
}

function slowOne(link: 'redis' | 's3', delayMs: number): (world: World, who: string) => Promise<Felt> {
  return async ({ proxies }, who) => {
    const proxy = proxies.get(who)?.[link];
    if (proxy === undefined) return felt(0);
    const before = proxy.delayed;
    proxy.slow(delayMs);
    await pause(2_000);
    await untilSeen(() => proxy.delayed > before);
    proxy.slow(0);
    return felt(proxy.delayed - before);
  };
}

export const FAULTS: readonly Fault[] = [
  {
    name: 'a worker frozen beyond the lock',
    isEarly: true,
    isBeside: true,
    async act(world, random) {
      const worker = await workerToSpare(world, random, ({ name }) => callsOf(world, name) > 0);
      if (worker === null) return felt(0);
      const underWay = callsOf(world, worker.name);
      worker.freeze();
      await pause(BEYOND_LOCK_MS);
      worker.thaw();
      return felt(underWay);
    },
  },
  {
    name: 'redis killed',
    async act(world) {
      const busy = [...world.proxies.values()].reduce((sum, { redis }) => sum + redis.busy, 0);
      await world.crashRedis();
      return felt(busy);
    },
  },
  aProxy('redis connections cut', 'redis', cutAll('redis')),
  aProxy('redis slow for one process', 'redis', slowOne('redis', 120)),
  aProxy('redis frozen for one process', 'redis', async ({ proxies }, who) => {
    proxies.get(who)?.redis.freeze(true);
    await pause(3_500);
    return felt(proxies.get(who)?.redis.freeze(false) ?? 0);
  }),
  aProxy('s3 connections cut', 's3', cutAll('s3')),
  aProxy('s3 slow for one process', 's3', slowOne('s3', 400)),
  {
    name: 'storage away for a while',
    movesStorage: true,
    async act(world) {
      const from = Date.now();
      await storageAwayFor(world, 3_000);
      return () => Promise.resolve(world.log.count(/the image storage (?:is|may be) away/, from));
    },
  },
  {
    // Once there is a file in the small spool, nothing more fits.
    name: 'storage away until the spool is full',
    isEarly: true,
    movesStorage: true,
    async act(world) {
      const from = Date.now();
      await untilSeen(() => callsOf(world, SMALL_SPOOL_WORKER) > 0, SPOOLED_WITHIN_MS);
      await world.storage.away();
      await untilSeen(() => world.smallSpoolFiles() > 0, SPOOLED_WITHIN_MS);
      const isFull = world.smallSpoolFiles() > 0;
      await pause(1_000);
      await world.storage.back();
      const refusals = (): number => world.log.count(/no room in the spool/, from, SMALL_SPOOL_WORKER);
      return () => Promise.resolve(isFull ? refusals() : 0);
    },
  },
  aProxy('upstream connections cut', 'upstream', cutAll('upstream')),
  {
    name: 'a receiver that fails',
    isBeside: true,
    async act({ hooks }) {
      const from = Date.now();
      await hooks.behave({ path: '/hooks/tired', status: 503, count: 2 });
      await hooks.behave({ path: '/hooks/tired', reset: true, count: 1 });
      await hooks.behave({ path: '/hooks/live', delayMs: 800, count: 6 });
      return async () => (await hooks.received()).filter(({ at, status }) => at >= from && status !== 200).length;
    },
  },
  {
    name: 'a worker told to stop',
    isBeside: true,
    async act(world, random) {
      const from = Date.now();
      const worker = await workerToSpare(world, random);
      if (worker === null) return felt(0);
      await worker.stop();
      await worker.start();
      return felt(world.log.count(/worker stops: no new calls/, from, worker.name));
    },
  },
  ...UPSTREAM_FAULTS,
];

async function storageAwayFor({ storage }: World, ms: number): Promise<void> {
  await storage.away();
  await pause(ms);
  await storage.back();
}

/** One that is up and as wanted while another one is up as well; null when there is none in time. */
async function workerToSpare(
  { processes }: World,
  random: Random,
  isWanted: (worker: ServiceProcess) => boolean = () => true,
): Promise<ServiceProcess | null> {
  const find = (): ServiceProcess | null => {
    const up = processes.filter(({ role, condition }) => role === 'worker' && condition === 'up');
    const wanted = up.filter(isWanted);
    return up.length >= 2 && wanted.length > 0 ? random.pick(wanted) : null;
  };
  return until('a worker can be spared', find, SPARED_WITHIN_MS).catch(() => null);
}

/** Under way at the upstream. */
function callsOf({ proxies }: World, worker: string): number {
  return proxies.get(worker)?.upstream.busy ?? 0;
}

/** Not an error when it does not come: the fault may then not be felt, and the run says so. */
async function untilSeen(fact: () => boolean, withinMs = BUSY_WITHIN_MS): Promise<void> {
  await until('the fault would be felt', fact, withinMs).catch(() => undefined);
}
