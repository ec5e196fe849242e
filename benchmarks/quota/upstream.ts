// The upstream of a scenario: the simulator as a process of its own, under the scenario's limit. Its ledger is what all
// figures are made from.
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { startChild } from '@darkroom/dev/child.ts';
import { get } from './get.ts';
import type { Scenario } from './scenarios.ts';
import { MODEL } from './work.ts';

/** A request the upstream has got. Times are ms since 1970. */
export interface LedgerRequest {
  readonly at: number;
  readonly endedAt: number | null;
  readonly prompt: string | null;
  readonly n: number | null;
  readonly status: number | null;
  readonly billedImages: number;
}

export interface LimitedUpstream {
  readonly url: string;
  /** When the limit was halved, ms since 1970; null if it was not. */
  readonly halvedAt: number | null;
  ledger(): Promise<readonly LedgerRequest[]>;
  /** Halves the limit as soon as so many images are made. Resolves then, or when `signal` aborts. */
  halveAfter(images: number, signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** An image of the work's kind takes about 2.4 s then. */
const LATENCY_SCALE = '0.5';
const LOOK_EVERY_MS = 100;

export async function startLimitedUpstream({ upstream }: Scenario): Promise<LimitedUpstream> {
  const file = fileURLToPath(import.meta.resolve('@darkroom/simulator/main.ts'));
  const args = [file, 'upstream', '--port', '0', '--latency-scale', LATENCY_SCALE, '--rendering', 'fast'];
  const child = startChild({ name: 'simulator', command: process.execPath, args, env: {} });
  const [, url = ''] = await child.line(/listening on (\S+)/);
  let halvedAt: number | null = null;
  const limitTo = (perMinute: number): Promise<unknown> =>
    control(url, 'settings', {
      limits: { [MODEL]: { images_per_minute: perMinute } },
      limitBurstSeconds: upstream.bucketSeconds,
      limitTelling: upstream.telling,
    });
  await limitTo(upstream.imagesPerMinute);
  return {
    url,
    get halvedAt() {
      return halvedAt;
    },
    async ledger() {
      const { requests } = (await control(url, 'ledger?since=0')) as { requests: LedgerRequest[] };
      return requests;
    },
    async halveAfter(images, signal) {
      while (!signal.aborted) {
        const stats = (await control(url, 'stats')) as { images: number };
        if (stats.images >= images) {
          await limitTo(upstream.imagesPerMinute / 2);
          halvedAt = Date.now();
          return;
        }
        await pause(LOOK_EVERY_MS);
      }
    },
    stop: () => child.stop(),
  };
}

async function control(url: string, path: string, change?: object): Promise<unknown> {
  const address = `${url}/_sim/${path}`;
  const reply = await (change === undefined
    ? get(address)
    : fetch(address, { method: 'POST', body: JSON.stringify(change) }));
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${await reply.text()}`);
  return reply.json();
}
