// What is done to the world beside the named kills: each fault begins, lasts a while and ends by itself. What a fault
// leaves behind is the service's affair.
import { setTimeout as pause } from 'node:timers/promises';
import type { Random } from './random.ts';
import { WORKERS, type World } from './world/world.ts';

interface Conditions {
  readonly storage: 's3' | 'disk';
  readonly hasLinks: boolean;
}

export interface Fault {
  readonly name: string;
  readonly needs?: (conditions: Conditions) => boolean;
  /** What it leaves takes long to be mended. */
  readonly isEarly?: boolean;
  /** Others may begin while it lasts. */
  readonly isBeside?: boolean;
  /** Resolves when the world is as before. */
  readonly act: (world: World, random: Random) => Promise<void>;
}

/** Longer than the lock of an item. */
const BEYOND_LOCK_MS = 6_500;

type SimulatorFault = readonly [kind: string, count: number, params?: Readonly<Record<string, unknown>>];

/** Answers of the upstream, each given so many times. */
function upstream(name: string, ...kinds: readonly SimulatorFault[]): Fault {
  return {
    name: `upstream: ${name}`,
    isBeside: true,
    async act({ simulator }) {
      for (const [kind, count, params = {}] of kinds) await simulator.fault(kind, { count, params });
    },
  };
}

function aProxy(
  name: string,
  link: 'redis' | 's3' | 'upstream',
  act: (world: World, who: string) => Promise<void>,
): Fault {
  return {
    name,
    ...(link === 's3' ? { needs: ({ storage }: Conditions) => storage === 's3' } : {}),
    act: (world, random) => act(world, random.pick([...world.proxies.keys()])),
  };
}

/** Times by which a limit stops its bucket; a limit of 600 does not hold up a run that has 500 images to make. */
const TOLD = { limit: 600, used: 600, retryAfterMs: 1_200 };

export const FAULTS: readonly Fault[] = [
  {
    name: 'a worker frozen beyond the lock',
    isEarly: true,
    isBeside: true,
    async act(world, random) {
      const worker = world.processes.find(({ name }) => name === random.pick(WORKERS));
      if (worker?.condition !== 'up') return;
      worker.freeze();
      await pause(BEYOND_LOCK_MS);
      worker.thaw();
    },
  },
  { name: 'redis killed', act: (world) => world.crashRedis() },
  aProxy('redis connections cut', 'redis', async ({ proxies }) => {
    for (const { redis } of proxies.values()) redis.cut();
  }),
  aProxy('redis slow for one process', 'redis', async ({ proxies }, who) => {
    proxies.get(who)?.redis.slow(120);
    await pause(2_000);
    proxies.get(who)?.redis.slow(0);
  }),
  aProxy('redis frozen for one process', 'redis', async ({ proxies }, who) => {
    proxies.get(who)?.redis.freeze(true);
    await pause(3_500);
    proxies.get(who)?.redis.freeze(false);
  }),
  aProxy('s3 connections cut', 's3', async ({ proxies }) => {
    for (const { s3 } of proxies.values()) s3.cut();
  }),
  aProxy('s3 slow for one process', 's3', async ({ proxies }, who) => {
    proxies.get(who)?.s3.slow(400);
    await pause(2_000);
    proxies.get(who)?.s3.slow(0);
  }),
  {
    name: 'storage away for a while',
    async act({ storage }) {
      await storage.away();
      await pause(3_000);
      await storage.back();
    },
  },
  {
    name: 'storage away until the spool is full',
    isEarly: true,
    async act({ storage }) {
      await storage.away();
      await pause(6_000);
      await storage.back();
    },
  },
  aProxy('upstream connections cut', 'upstream', async ({ proxies }) => {
    for (const { upstream: proxy } of proxies.values()) proxy.cut();
  }),
  upstream('429 storm', ['rate_limit_images', 12, TOLD], ['rate_limit_requests', 6, TOLD]),
  {
    // One model alone: what is lowered waits for the leases of killed workers, 45 s each.
    name: 'upstream: slow_down',
    isEarly: true,
    isBeside: true,
    act: ({ simulator }) =>
      simulator.fault('slow_down', { model: 'gpt-image-2.5-flare', count: 3, params: { retryAfterMs: 1_000 } }),
  },
  upstream('5xx', ['server_error', 6], ['overloaded', 4, { retryAfterMs: 500 }]),
  upstream('edge errors', ['cloudflare_520', 2], ['gateway_timeout_504', 2], ['reset_before_work', 2]),
  upstream('hangs', ['hang', 2, { billed: true }], ['hang', 1]),
  upstream('resets after work', ['reset_after_work', 3]),
  upstream('cut bodies', ['truncated_body', 3]),
  upstream('no data', ['no_data', 1], ['no_data', 1, { shape: 'empty_entries' }], ['partial_data', 3]),
  upstream('refusals', ['moderation_output', 2, { billed: false }], ['moderation_input', 2]),
  upstream('slow bodies', ['slow_body', 4, { bytesPerSecond: 300_000 }]),
  {
    name: 'links that die soon',
    needs: ({ hasLinks }) => hasLinks,
    async act({ simulator }) {
      await simulator.settings({ linkTtlMs: 1_500 });
      await pause(2_500);
      await simulator.settings({ linkTtlMs: 3_600_000 });
    },
  },
  {
    name: 'links that are dead',
    needs: ({ hasLinks }) => hasLinks,
    isBeside: true,
    act: ({ simulator }) => simulator.fault('dead_link', { count: 2 }),
  },
  {
    name: 'a receiver that fails',
    isBeside: true,
    async act({ hooks }) {
      await hooks.behave({ path: '/hooks/tired', status: 503, count: 2 });
      await hooks.behave({ path: '/hooks/tired', reset: true, count: 1 });
      await hooks.behave({ path: '/hooks/live', delayMs: 800, count: 6 });
    },
  },
  {
    name: 'a worker told to stop',
    async act(world, random) {
      const worker = world.processes.find(({ name }) => name === random.pick(WORKERS));
      if (worker?.condition !== 'up') return;
      await worker.stop();
      await worker.start();
    },
  },
];
