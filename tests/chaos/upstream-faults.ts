// Faults of the upstream: what it answers instead of an image, each so many times.
import { setTimeout as pause } from 'node:timers/promises';
import { type Fault, ofSimulator } from './fault.ts';
import type { World } from './world/world.ts';

type Answer = readonly [kind: string, count: number, params?: Readonly<Record<string, unknown>>];

function upstream(name: string, ...answers: readonly Answer[]): Fault {
  return {
    name: `upstream: ${name}`,
    isBeside: true,
    act: (world) =>
      ofSimulator(
        world,
        answers.map(([kind, count, params = {}]) => ({ kind, count, params })),
      ),
  };
}

/** Times by which a limit stops its bucket; a limit of 3,000 does not hold up a run that has 500 images to make. */
const TOLD = { limit: 3_000, used: 3_000, retryAfterMs: 1_200 };
const QUOTA_ANSWERS = 2;
const DEAD_LINK_LIFE_MS = 15_000;
const OPERATOR_WATCHES_MS = 25_000;
/** The operator looks this often, and has paid his bill by then. */
const PAID_AFTER_MS = 700;

export const UPSTREAM_FAULTS: readonly Fault[] = [
  upstream('429 storm', ['rate_limit_images', 12, TOLD], ['rate_limit_requests', 6, TOLD]),
  {
    // One model alone: what is lowered waits for the leases of killed workers, 45 s each.
    name: 'upstream: slow_down',
    isEarly: true,
    isBeside: true,
    act: (world) =>
      ofSimulator(world, [
        { kind: 'slow_down', model: 'gpt-image-2.5-flare', count: 3, params: { retryAfterMs: 1_000 } },
      ]),
  },
  {
    name: 'upstream: no quota left, resumed by hand',
    isBeside: true,
    async act(world) {
      const met = await ofSimulator(world, [{ kind: 'insufficient_quota', count: QUOTA_ANSWERS }]);
      const deadline = performance.now() + OPERATOR_WATCHES_MS;
      let [resumed, isOver] = [0, false];
      while (!isOver && performance.now() < deadline) {
        const areMet = (await met()) >= QUOTA_ANSWERS;
        await pause(PAID_AFTER_MS);
        // The last of the answers may just have paused the key once more.
        if (await resumeKeys(world)) resumed += 1;
        else isOver = areMet && resumed > 0;
      }
      return async () => (resumed > 0 ? met() : 0);
    },
  },
  {
    name: 'upstream: one key without quota, the other goes on',
    isEarly: true,
    isBeside: true,
    needs: ({ hasTwoKeys }) => hasTwoKeys,
    act: (world) =>
      ofSimulator(world, [{ kind: 'insufficient_quota', key: world.upstreamKeys.keys[0]?.slice(-4) ?? '', count: 4 }]),
  },
  upstream('5xx', ['server_error', 6], ['overloaded', 4, { retryAfterMs: 500 }]),
  upstream('edge errors', ['cloudflare_520', 2], ['gateway_timeout_504', 2], ['reset_before_work', 2]),
  upstream('hangs', ['hang', 2, { billed: true }], ['hang', 1]),
  upstream('resets after work', ['reset_after_work', 3]),
  upstream(
    'cut bodies',
    ['truncated_body', 3],
    ['truncated_body', 3, { images: 1 }],
    ['truncated_body', 1, { images: 1, stalls: true }],
  ),
  upstream('no data', ['no_data', 1], ['no_data', 1, { shape: 'empty_entries' }], ['partial_data', 3]),
  upstream('refusals', ['moderation_output', 2, { billed: false }], ['moderation_input', 2]),
  upstream('slow bodies', ['slow_body', 4, { bytesPerSecond: 300_000 }]),
  {
    // Dead before a worker can ask for them.
    name: 'links that expire at once',
    needs: ({ hasLinks }) => hasLinks,
    isBeside: true,
    async act({ simulator, wire }) {
      const from = Date.now();
      await simulator.settings({ linkTtlMs: 1 });
      await pause(1_000);
      await simulator.settings({ linkTtlMs: 3_600_000 });
      return () => Promise.resolve(wire.deadLinks.filter(({ at }) => at >= from).length);
    },
  },
  {
    // To their end, which they name: until then they are asked for, which a run could not wait for if it were an hour.
    name: 'links that are dead',
    needs: ({ hasLinks }) => hasLinks,
    isBeside: true,
    act: (world) => ofSimulator(world, [{ kind: 'dead_link', count: 2, params: { ttlMs: DEAD_LINK_LIFE_MS } }]),
  },
];

/**
 * As an operator would: sees that a key is paused, pays, and resumes. Also at the end of a run: a pause that nobody ends
 * lasts for 30 s and more. Whether there was anything to resume, and it was.
 */
export async function resumeKeys(world: World): Promise<boolean> {
  if ((await pausedKeys(world)).length === 0) return false;
  const { status } = await world.admin.request('POST', '/v1/lanes/gpt-image-2/resume').catch(() => ({ status: 503 }));
  world.timeline.note('resumed by hand', null, { status });
  return status === 200;
}

async function pausedKeys({ redis, upstreamKeys }: World): Promise<string[]> {
  const paused = await Promise.all(
    upstreamKeys.names.map(async (name) =>
      (await redis.hexists(`{darkroom}:upstream-key:${name}`, 'paused')) === 1 ? [name] : [],
    ),
  ).catch(() => []);
  return paused.flat();
}
