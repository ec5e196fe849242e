// Canaries: known secrets, prompts and image bytes, looked for everywhere they must never be.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../support/api.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';

const UPSTREAM_KEY = 'sk-proj-canary-0123456789-abcdefghij';
const API_KEY = 'dk_canary0123456789abcdefghij';
const ADMIN_KEY = 'admin-canary-0123456789-abcdef';
const SIGNING_SECRET = 'signing-canary-0123456789-abcdefghijklmnop';
const SECRETS = { UPSTREAM_KEY, API_KEY, ADMIN_KEY, SIGNING_SECRET };
const PROMPT = 'a canary of a very particular shade of yellow';

let stack: TestStack;
let done: Job;
/** The first and last base64 letters of an image's own bytes. */
let base64: string[];
const errorBodies: string[] = [];

beforeAll(async () => {
  stack = await startTestStack(
    {
      env: {
        AUTH: 'keys',
        API_KEYS: `canary:${API_KEY}`,
        ADMIN_KEY,
        SIGNING_SECRET,
        OPENAI_API_KEY: UPSTREAM_KEY,
        LOG_LEVEL: 'trace',
        MAX_ATTEMPTS: '1',
        CALL_TIMEOUT_MS: '1000',
      },
    },
    API_KEY,
  );
  done = await stack.api.run({ prompt: PROMPT, n: 2 });
  const bytes = await stack.api.bytes(done.images[0] ?? { url: '' });
  const text = bytes.toString('base64');
  base64 = [text.slice(0, 80), text.slice(2_000, 2_080), text.slice(-80)];
  await makeTrouble();
});
afterAll(() => stack.stop());

/** Every kind of failure that might echo what it was given. */
async function makeTrouble(): Promise<void> {
  const echo = (status: number) => ({
    params: {
      status,
      body: { error: { message: `Incorrect API key provided: ${UPSTREAM_KEY}.`, type: 'x', param: null, code: 'x' } },
    },
  });
  const faults: [string, object][] = [
    ['status', echo(400)],
    ['status', echo(500)],
    ['status', { params: { status: 200, body: `not json, ${UPSTREAM_KEY}` } }],
    ['reset_after_work', {}],
    ['truncated_body', {}],
    ['no_data', {}],
    ['moderation_input', {}],
  ];
  for (const [kind, options] of faults) {
    await stack.simulator.fault(kind, { ...options, count: 2 });
    const job = await stack.api.run({ prompt: PROMPT });
    errorBodies.push(JSON.stringify(job), JSON.stringify(await stack.api.attempts(job.id)));
    await stack.simulator.clearFaults();
  }
  const requests: [string, string, object?][] = [
    ['GET', `/v1/jobs?key=${API_KEY}`],
    ['GET', `/v1/jobs/${API_KEY}`],
    ['POST', '/v1/jobs', { operation: 'generation', input: { prompt: PROMPT, [API_KEY]: 1 } }],
    ['POST', '/v1/jobs', { operation: 'generation', input: { prompt: PROMPT, model: 'no-such-model' } }],
    ['POST', '/v1/jobs', { operation: 'generation', input: { prompt: PROMPT, n: 'four' } }],
    ['GET', `/v1/images/${done.images[0]?.id}/content?exp=1&sig=${SIGNING_SECRET}`],
    ['GET', '/nowhere'],
  ];
  for (const [method, path, body] of requests) {
    const reply = await stack.api.request(method, path, body === undefined ? {} : { body });
    expect(reply.status).toBeGreaterThanOrEqual(400);
    // What a caller sent in a URL or as a field's name may come back to that caller.
    if (!path.includes(API_KEY) && !path.includes(SIGNING_SECRET) && !JSON.stringify(body ?? {}).includes(API_KEY)) {
      errorBodies.push(reply.text);
    }
  }
  const metrics = await fetch(`${stack.api.url}/metrics`, { headers: { authorization: `Bearer ${ADMIN_KEY}` } });
  errorBodies.push(await metrics.text());
  const refused = await fetch(`${stack.api.url}/metrics`, { headers: { authorization: `Bearer ${ADMIN_KEY}x` } });
  expect(refused.status).toBe(401);
  errorBodies.push(await refused.text());
}

function expectNone(where: string, text: string, canaries: Readonly<Record<string, string>>): void {
  for (const [name, canary] of Object.entries(canaries)) {
    const at = text.indexOf(canary);
    const found = at < 0 ? null : `${name} in ${where}: ${text.slice(Math.max(0, at - 200), at + canary.length + 40)}`;
    expect(found).toBeNull();
  }
}

/** Every key of Redis with everything in it, as text. */
async function dumpRedis(redis: Redis): Promise<{ key: string; text: string }[]> {
  const dump: { key: string; text: string }[] = [];
  for (const key of await redis.keys('*')) dump.push({ key, text: JSON.stringify(await valueOf(redis, key)) });
  return dump;
}

async function valueOf(redis: Redis, key: string): Promise<unknown> {
  switch (await redis.type(key)) {
    case 'hash':
      return redis.hgetall(key);
    case 'zset':
      return redis.zrange(key, '0', '-1', 'WITHSCORES');
    case 'list':
      return redis.lrange(key, 0, -1);
    case 'set':
      return redis.smembers(key);
    case 'stream':
      return redis.xrange(key, '-', '+');
    default:
      return redis.get(key);
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

test('no process ever logs a secret, a prompt or image bytes, at the most talkative level', () => {
  expect(stack.lines.filter((line) => line.includes('call failed')).length).toBeGreaterThanOrEqual(7);
  expect(stack.lines.length).toBeGreaterThan(50);
  const text = stack.lines.join('\n');
  expectNone('the log', text, { ...SECRETS, PROMPT, promptPart: 'particular shade', base64: base64[0] ?? '' });
  for (const line of stack.lines) expect(line.length).toBeLessThan(20_000);
});

test('Redis holds no secret and no image bytes', async () => {
  const dump = await dumpRedis(stack.redis);
  expect(dump.length).toBeGreaterThan(5);
  for (const { key, text } of dump) {
    expectNone(`Redis key ${key}`, `${key} ${text}`, {
      ...SECRETS,
      a: base64[0] ?? '',
      b: base64[1] ?? '',
      c: base64[2] ?? '',
    });
    expect(/[A-Za-z0-9+/]{1000}/.exec(text)).toBeNull();
  }
});

test('no reply holds a secret', () => {
  expect(errorBodies.length).toBeGreaterThan(15);
  for (const body of errorBodies) expectNone('a reply', body, SECRETS);
});

test('nothing in storage holds a secret; the prompt stands in provenance alone, not in metadata', async () => {
  const files = await filesBelow(join(stack.directory, 'images'));
  const provenance = files.filter((path) => path.endsWith('.png.json') && !path.includes('.meta'));
  expect(provenance.length).toBeGreaterThanOrEqual(2);
  for (const path of files) {
    const text = (await readFile(path)).toString('latin1');
    expectNone(path, text, SECRETS);
    if (path.includes('.meta')) expectNone(path, text, { PROMPT });
  }
  const [first = ''] = provenance.filter((path) => path.includes(done.id));
  expect(JSON.parse(await readFile(first, 'utf8'))).toMatchObject({ request: { prompt: PROMPT }, job_id: done.id });
});
