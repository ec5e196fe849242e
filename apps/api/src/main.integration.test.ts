import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findQuietPort } from '@darkroom/simulator/http/free-port.ts';
import { childEnv } from '@darkroom/testing/child-env.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { GENERATION, toAnswer } from './testing/start-api.ts';

const MAIN = fileURLToPath(new URL('main.ts', import.meta.url));
/** On a busy machine. */
const START_MS = 50_000;
const TWO_STARTS = { timeout: 120_000 };

let redis: TestRedis;
let folder: string;
let running: ChildProcess | undefined;
beforeAll(async () => {
  redis = await openTestRedis();
  folder = await mkdtemp(join(tmpdir(), 'darkroom-main-'));
});
afterEach(() => running?.kill('SIGKILL'));
afterAll(async () => {
  await redis.close();
  await rm(folder, { recursive: true });
});

function start(env: Record<string, string>) {
  const child = spawn(process.execPath, [MAIN], { env: childEnv(env), cwd: folder });
  running = child;
  const output = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => (output.out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output.err += chunk.toString()));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  return { child, output, ended };
}

async function startReady(env: Record<string, string> = {}) {
  const port = await findQuietPort();
  const started = start({ AUTH: 'off', PORT: String(port), REDIS_URL: redis.url, REDIS_PREFIX: redis.prefix, ...env });
  await expect.poll(() => started.output.out, { timeout: START_MS, interval: 20 }).toContain('"msg":"listening"');
  return { ...started, url: `http://127.0.0.1:${port}` };
}

describe('a wrong environment', () => {
  it('ends the process with 1 and every problem in plain words', async () => {
    const { output, ended } = start({ PORT: 'x', MODEL_POLICY: 'y', API_KEYS: 'shop:secret' });
    expect(await ended).toBe(1);
    for (const name of ['PORT', 'MODEL_POLICY', 'API_KEYS']) expect(output.err).toContain(name);
    expect(output.err).not.toMatch(/secret|at .*\.ts/);
    expect(output.out).toBe('');
  });

  it('names both ways out when nobody could call', async () => {
    const { output, ended } = start({});
    expect(await ended).toBe(1);
    expect(output.err).toMatch(/API_KEYS.*ADMIN_KEY/);
  });

  it('ends with 1 when the port is taken', TWO_STARTS, async () => {
    const { url } = await startReady();
    const first = running;
    const { output, ended } = start({
      AUTH: 'off',
      PORT: new URL(url).port,
      REDIS_URL: redis.url,
      REDIS_PREFIX: redis.prefix,
    });
    expect(await ended).toBe(1);
    expect(output.err).toContain('EADDRINUSE');
    first?.kill('SIGKILL');
  });
});

describe('at start', () => {
  it('records PUBLIC_URL and makes one signing secret for all processes', TWO_STARTS, async () => {
    const { url } = await startReady();
    expect(await redis.redis.get(`{${redis.prefix}}:public-url`)).toBe(`http://localhost:${new URL(url).port}`);
    const secret = await redis.redis.get(`{${redis.prefix}}:signing-secret`);
    expect(Buffer.from(secret ?? '', 'base64url')).toHaveLength(32);
    running?.kill('SIGKILL');
    await startReady();
    expect(await redis.redis.get(`{${redis.prefix}}:signing-secret`)).toBe(secret);
  });
});

describe.each(['SIGTERM', 'SIGINT'] as const)('%s', (signal) => {
  it('answers those who wait with the job as it is and ends with 0', async () => {
    const { child, url, ended, output } = await startReady();
    const submitted = await fetch(`${url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(GENERATION),
    });
    const { json } = await toAnswer(submitted);
    const jobs = () => redis.redis.zcard(`{${redis.prefix}}:jobs:default`);
    const before = await jobs();
    const waiting = [
      fetch(`${url}/v1/jobs/${json.id}?wait=600`),
      fetch(`${url}/v1/jobs`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', prefer: 'wait=600' },
        body: JSON.stringify(GENERATION),
      }),
    ];
    await expect.poll(jobs).toBe(before + 1);
    expect((await fetch(`${url}/livez`)).status).toBe(200);
    child.kill(signal);
    const answers = await Promise.all(waiting.map(async (reply) => toAnswer(await reply)));
    expect(answers.map(({ status, json: job }) => [status, job.status])).toEqual([
      [200, 'queued'],
      [202, 'queued'],
    ]);
    expect(await ended).toBe(0);
    expect(output.out).toContain('"msg":"stopped"');
    expect(output.err).toBe('');
  });
});

describe('a second signal', () => {
  it('ends the process at once with 1', async () => {
    const { child, url, ended } = await startReady();
    const slow = new ReadableStream({ start: (controller) => controller.enqueue(new TextEncoder().encode('{')) });
    const hanging = fetch(`${url}/v1/jobs`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: slow,
      duplex: 'half',
    });
    const broken = expect(hanging).rejects.toThrow();
    await expect.poll(async () => (await fetch(`${url}/livez`)).status).toBe(200);
    child.kill('SIGTERM');
    await expect.poll(async () => await fetch(`${url}/livez`).catch(() => 'refused')).toBe('refused');
    child.kill('SIGTERM');
    expect(await ended).toBe(1);
    await broken;
  });
});

describe('without Redis', () => {
  it('still ends with 0 on SIGTERM', async () => {
    const own = await openTestRedis();
    const { child, ended } = await startReady({ REDIS_URL: own.url });
    await own.close();
    child.kill('SIGTERM');
    expect(await ended).toBe(0);
  });
});
