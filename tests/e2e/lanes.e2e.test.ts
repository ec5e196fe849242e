// What stops a lane is shown to the operator, and ends on all workers when the operator says so.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { Api, type Job } from '../support/api.ts';
import { say } from '../support/say.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

const ADMIN_KEY = 'admin-0123456789abcdef';
const LANE = 'gpt-image-2';

interface Limit {
  readonly name: string;
  readonly stopped_until: number | null;
}

interface Lane {
  readonly id: string;
  readonly waiting: number;
  readonly active: number;
  readonly open_calls: number;
  readonly open_calls_by_account: Readonly<Record<string, number>>;
  readonly started_per_minute: { readonly calls: number; readonly images: number };
  readonly expected_wait_seconds: number | null;
  readonly upstream_keys: readonly {
    readonly name: string;
    readonly host: string;
    readonly paused: { readonly error: { readonly status: number; readonly code: string } } | null;
    readonly limits: readonly Limit[];
  }[];
}

let stack: TestStack;
let operator: Api;

beforeAll(async () => {
  stack = await startTestStack({ workers: 2, env: { ADMIN_KEY } });
  operator = new Api(stack.stack.apiUrl, ADMIN_KEY);
});
afterEach(() => stack.reset());
afterAll(() => stack.stop());

async function readLane(): Promise<Lane> {
  const reply = await operator.request('GET', '/v1/lanes');
  expect(reply.status).toBe(200);
  const lane = (reply.json as { data: Lane[] }).data.find(({ id }) => id === LANE);
  if (lane === undefined) throw new Error(`no lane ${LANE}`);
  return lane;
}

/** Resumes the lane; how long the jobs took from then on, ms. */
async function resume(jobs: readonly Job[]): Promise<number> {
  const resumedAt = performance.now();
  const reply = await operator.request('POST', `/v1/lanes/${LANE}/resume`);
  expect(reply.status).toBe(200);
  const lane = reply.json as Lane;
  expect(lane.upstream_keys[0]?.paused).toBeNull();
  expect(lane.upstream_keys[0]?.limits.filter(({ stopped_until }) => stopped_until !== null)).toEqual([]);
  const ended = await Promise.all(jobs.map(({ id }) => stack.api.ended(id)));
  expect(ended.filter(({ status }) => status !== 'completed')).toEqual([]);
  return performance.now() - resumedAt;
}

function submitMany(count: number): Promise<Job[]> {
  return Promise.all(Array.from({ length: count }, () => stack.api.submit({ model: LANE })));
}

describe('a lane', () => {
  test('stopped by a 429 for ten minutes is shown with its end, and goes on at once when resumed', async () => {
    await stack.simulator.fault('rate_limit_images', { count: 1, params: { limit: 6_000, retryAfterMs: 600_000 } });
    const jobs = await submitMany(6);
    const stopped = await until('the lane is stopped', async () => {
      const lane = await readLane();
      return lane.upstream_keys[0]?.limits[0]?.stopped_until == null ? null : lane;
    });
    const inSeconds = (stopped.upstream_keys[0]?.limits[0]?.stopped_until ?? 0) - Date.now() / 1_000;
    expect(inSeconds).toBeGreaterThan(500);
    expect(inSeconds).toBeLessThanOrEqual(601);
    expect(stopped.upstream_keys[0]).toMatchObject({ name: 'default', host: new URL(stack.simulator.url).host });
    expect(stopped.expected_wait_seconds ?? 600).toBeGreaterThan(500);
    const sentBefore = (await stack.simulator.ledger()).requests.length;
    const tookMs = await resume(jobs);
    say(`stopped with ${sentBefore} of 6 calls sent; all 6 jobs done ${Math.round(tookMs)} ms after the resume`);
    expect(tookMs).toBeLessThan(6_000);
  });

  test('whose upstream key is refused is shown with the reason, and goes on at once when resumed', async () => {
    await stack.simulator.fault('invalid_api_key', { count: 1 });
    const jobs = await submitMany(1);
    const paused = await until('the key is paused', async () => {
      const lane = await readLane();
      return lane.upstream_keys[0]?.paused == null ? null : lane;
    });
    expect(paused.upstream_keys[0]?.paused?.error).toMatchObject({ status: 401, code: 'invalid_api_key' });
    expect(paused.expected_wait_seconds).toBeNull();
    expect(paused).toMatchObject({ open_calls: 1, open_calls_by_account: { default: 1 } });
    const more = await submitMany(5);
    const tookMs = await resume([...jobs, ...more]);
    say(`key refused; all 6 jobs done ${Math.round(tookMs)} ms after the resume`);
    expect(tookMs).toBeLessThan(6_000);
    const lane = await readLane();
    expect(lane).toMatchObject({ waiting: 0, open_calls: 0, open_calls_by_account: {} });
    expect(lane.started_per_minute.calls).toBeGreaterThan(5);
  });

  test('stopped by a 429 that names no limit does not crawl at a guess after the resume', async () => {
    await stack.simulator.fault('edge_1015', { count: 1, params: { retryAfterMs: 600_000 } });
    const jobs = await submitMany(6);
    await until('the lane is stopped', async () => {
      const { upstream_keys } = await readLane();
      return upstream_keys[0]?.limits[0]?.stopped_until != null;
    });
    expect(await resume(jobs)).toBeLessThan(6_000);
  });
});

describe('the metrics of the API', () => {
  test('show limits, stops, pauses and open calls', async () => {
    await stack.simulator.fault('rate_limit_images', { count: 1, params: { limit: 6_000, retryAfterMs: 60_000 } });
    const jobs = await submitMany(3);
    const value = async (name: string): Promise<number> => {
      const { text } = await operator.request('GET', '/metrics');
      return Number(new RegExp(`^${name}\\{[^}]*model="${LANE}"[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
    };
    await until('the stop is seen', async () => (await value('darkroom_lane_stopped_seconds')) > 30);
    expect(await value('darkroom_lane_open_calls')).toBeGreaterThan(0);
    await resume(jobs);
    await until('its end is seen', async () => (await value('darkroom_lane_stopped_seconds')) === 0);
    expect(await value('darkroom_lane_open_calls')).toBe(0);
    expect(await value('darkroom_lane_limit_per_minute')).toBe(6_000);
  });
});
