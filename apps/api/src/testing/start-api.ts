// For tests: the real application over real HTTP, with its own Redis and folder, its log kept, and what a worker would
// do done by hand.
import { mkdtemp, rm } from 'node:fs/promises';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLogger } from '@darkroom/shared/telemetry/logger.ts';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { buildApp } from '../app.ts';
import { readConfig } from '../config.ts';
import { type Deps, openDeps } from '../deps.ts';

export const SHOP_KEY = 'dk_shop_0123456789abcdef';
export const OTHER_KEY = 'dk_other_0123456789abcdef';
export const PUBLIC_URL = 'http://darkroom.test';

export interface TestApi {
  readonly url: string;
  readonly deps: Deps;
  readonly server: Server;
  readonly redis: TestRedis;
  /** The log, line by line. */
  readonly lines: readonly string[];
  /** Asks as the account `shop`. */
  ask(path: string, init?: RequestInit): Promise<Answer>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  close(): Promise<void>;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  // biome-ignore lint: the shape is what the test looks at
  readonly json: Json;
}

/** Parsed JSON a test reaches into; it fails by its own expectations. */
// oxlint-disable-next-line typescript/no-explicit-any
export type Json = any;

export const GENERATION = {
  operation: 'generation',
  input: { model: 'gpt-image-2.6-flare', prompt: 'a cat', size: '1024x1024', quality: 'low' },
};

/** `given`: a Redis the test may take away; else one is opened and closed with the API. */
export async function startApi(env: Record<string, string> = {}, given?: TestRedis): Promise<TestApi> {
  const redis = given ?? (await openTestRedis());
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-api-'));
  const lines: string[] = [];
  const config = readConfig({
    REDIS_URL: redis.url,
    REDIS_PREFIX: redis.prefix,
    STORAGE_URL: `file:${folder}`,
    PUBLIC_URL,
    API_KEYS: `shop:${SHOP_KEY},other:${OTHER_KEY}`,
    ...env,
  });
  const logger = createLogger({
    name: 'api',
    level: 'debug',
    logPrompts: config.LOG_PROMPTS,
    destination: { write: (line) => void lines.push(line) },
  });
  const deps = await openDeps(config, logger);
  const app = await buildApp(deps);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const url = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  const ask: TestApi['ask'] = async (path, init = {}) => {
    const headers = new Headers(init.headers);
    if (!headers.has('authorization')) headers.set('authorization', `Bearer ${SHOP_KEY}`);
    return toAnswer(await fetch(`${url}${path}`, { redirect: 'manual', ...init, headers }));
  };
  return {
    url,
    deps,
    server: app.server,
    redis,
    lines,
    ask,
    post: (path, body, headers = {}) =>
      ask(path, {
        method: 'POST',
        headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      }),
    async close() {
      deps.stopping.abort();
      await app.close();
      await deps.close();
      await redis.close();
      await rm(folder, { recursive: true });
    },
  };
}

export async function toAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = /^application\/json(;|$)/.test(response.headers.get('content-type') ?? '') && text !== '';
  return {
    status: response.status,
    headers: response.headers,
    text,
    json: isJson ? JSON.parse(text) : undefined,
  };
}
