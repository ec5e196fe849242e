// For tests: governors on a real Redis, several of one prefix being several workers, and permits taken from them.
import { type Keys, keysOf } from '@darkroom/shared/base/keys.ts';
import type { ToldLimit, ToldLimits } from '@darkroom/shared/base/variables.ts';
import { openTestRedis } from '@darkroom/testing/redis.ts';
import type { Redis } from 'ioredis';
import { type Acquired, type Ask, type Governor, openGovernor, type Permit } from '../governor/governor.ts';
import { type Observation, observe } from '../governor/observation.ts';

/** Of the family `gpt-image-2.6`, like `gpt-image-2.6-sunburst`. */
export const MODEL = 'gpt-image-2.6-flare';
export const SISTER = 'gpt-image-2.6-sunburst';
export const FAMILY = 'gpt-image-2.6';

type KeyLimits = Readonly<Record<string, ToldLimits>>;

export interface GovernorKit {
  readonly redis: Redis;
  readonly url: string;
  newPrefix(): string;
  keys(prefix: string): Keys;
  /** Fields of a bucket. */
  bucket(prefix: string, limit: string, key?: string): Promise<Record<string, string>>;
  /** With one upstream key. */
  open(limits: ToldLimits, prefix?: string): Promise<Governor>;
  /** With these, by name. */
  openWith(limits: KeyLimits, prefix?: string): Promise<Governor>;
  /** Closes all governors opened so far. */
  closeAll(): void;
  close(): Promise<void>;
}

export async function openGovernorKit(): Promise<GovernorKit> {
  const server = await openTestRedis();
  const opened: Governor[] = [];
  let count = 0;
  const kit: GovernorKit = {
    redis: server.redis,
    url: server.url,
    newPrefix: () => `${server.prefix}-${(count += 1)}`,
    keys: keysOf,
    bucket: (prefix, limit, key = 'default') => server.redis.hgetall(keysOf(prefix).bucket(key, limit)),
    open: (limits, prefix) => kit.openWith({ default: limits }, prefix),
    async openWith(limits, prefix = kit.newPrefix()) {
      const governor = await openGovernor({
        redis: server.redis,
        keys: keysOf(prefix),
        upstreamKeys: Object.entries(limits).map(([name, told]) => ({ name, limits: told, host: `${name}.test` })),
        onError: (error) => {
          throw error;
        },
      });
      opened.push(governor);
      return governor;
    },
    closeAll() {
      for (const governor of opened.splice(0)) governor.close();
    },
    async close() {
      kit.closeAll();
      await server.close();
    },
  };
  return kit;
}

export const told = (fields: Partial<ToldLimit>): ToldLimit => ({ burst_seconds: 5, ...fields });

export const ask = (images: number, more: Partial<Ask> = {}): Ask => ({
  model: MODEL,
  images,
  tokens: 0,
  onlyKey: null,
  ...more,
});

export const waitOf = (acquired: Acquired): number =>
  acquired.kind === 'permit' ? acquired.permit.waitMs : 'waitMs' in acquired ? acquired.waitMs : 0;

/** Throws when there is none to be had. */
export async function permitOf(governor: Governor, images = 1, more: Partial<Ask> = {}): Promise<Permit> {
  const acquired = await governor.acquire(ask(images, more));
  if (acquired.kind !== 'permit') throw new Error(`refused: ${JSON.stringify(acquired)}`);
  return acquired.permit;
}

export const said = (headers: Readonly<Record<string, string>>, message = ''): Observation =>
  observe(new Headers(headers), message, Date.now());

/** The call of this permit was answered with a 429. */
export async function refuse(
  governor: Governor,
  permit: Permit,
  observation: Observation,
  isSlowDown = false,
): Promise<void> {
  await permit.giveBack('refused');
  await governor.observe(permit, observation);
  await governor.stop(permit, observation, isSlowDown);
}
