// The service as `npm start` and `npm run demo` run it: on the defaults of this machine, data under ./data, real variables
// of the environment before the defaults.
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { stopLeftoverRedis } from './redis-server.ts';
import { type Stack, startStack } from './stack.ts';

export const DATA_DIRECTORY = resolve('data');
export const PORT = Number(process.env['PORT'] || 3_000);

/** Tells another process of this machine that the API it found is fed by a simulator, where images cost nothing. */
const NOTE = join(DATA_DIRECTORY, 'simulator.json');

interface Note {
  readonly port: number;
  readonly simulatorUrl: string;
}

export interface Service {
  readonly stack: Stack;
  /** The address for people: http://localhost:3000. */
  readonly url: string;
  readonly startMs: number;
  /** The name of the first part that ends before `stop` is called. */
  readonly broken: Promise<string>;
  /** Calls under way are finished first. */
  stop(): Promise<void>;
}

/** Starts Redis, the upstream simulator (unless the environment names an upstream), API and worker; `onLine` gets their log lines. */
export async function startService(onLine: (name: string, line: string) => void): Promise<Service> {
  mkdirSync(DATA_DIRECTORY, { recursive: true });
  await stopLeftoverRedis(join(DATA_DIRECTORY, 'redis'));
  const startedAt = Date.now();
  const stack = await startStack({ directory: DATA_DIRECTORY, port: PORT, ...optionsFromEnvironment(), onLine });
  const { simulatorUrl } = stack;
  if (simulatorUrl !== null) writeFileSync(NOTE, JSON.stringify({ port: PORT, simulatorUrl } satisfies Note));
  const parts = [stack.api, ...stack.workers, ...(stack.redis === null ? [] : [stack.redis.child])];
  return {
    stack,
    url: `http://localhost:${PORT}`,
    startMs: Date.now() - startedAt,
    broken: Promise.race(parts.map((part) => part.exited.then(() => part.name))),
    async stop() {
      rmSync(NOTE, { force: true });
      await stack.stop();
    },
  };
}

/** The simulator behind an API of this machine that `startService` started; null when there is none, or it is not known. */
export async function findSimulator(apiUrl: string): Promise<string | null> {
  if (!existsSync(NOTE)) return null;
  const { port, simulatorUrl } = JSON.parse(readFileSync(NOTE, 'utf8')) as Note;
  const { hostname, port: asked } = new URL(apiUrl);
  if (!['localhost', '127.0.0.1'].includes(hostname) || Number(asked) !== port) return null;
  return (await answers(`${simulatorUrl}/_sim/health`)) ? simulatorUrl : null;
}

/** Whether a GET is answered with 2xx. */
export async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false; // nobody listens there
  }
}

/** The address the environment names to buy images at; null when it names none, and the simulator is used. */
export function upstreamFromEnvironment(
  env: Readonly<Record<string, string | undefined>> = process.env,
): { baseUrl: string; apiKey: string } | null {
  const { OPENAI_API_KEY: apiKey = '', OPENAI_BASE_URL: baseUrl = '', OPENAI_KEYS_FILE: keysFile = '' } = env;
  if (apiKey === '' && baseUrl === '' && keysFile === '') return null;
  return { apiKey: apiKey || 'sk-none', baseUrl: baseUrl || 'https://api.openai.com/v1' };
}

function optionsFromEnvironment() {
  const env = Object.fromEntries(
    Object.entries(process.env).flatMap(([name, value]) =>
      value === undefined || value === '' || name.startsWith('npm_') || name === 'PORT' ? [] : [[name, value]],
    ),
  );
  const upstream = upstreamFromEnvironment();
  const keysFile = env['OPENAI_KEYS_FILE'];
  return {
    // The worker runs in the data folder; the path is meant from here.
    env: keysFile === undefined ? env : { ...env, OPENAI_KEYS_FILE: resolve(keysFile) },
    ...(env['REDIS_URL'] === undefined ? {} : { redisUrl: env['REDIS_URL'] }),
    ...(env['DARKROOM_REDIS_BINARY'] === undefined ? {} : { redisBinary: env['DARKROOM_REDIS_BINARY'] }),
    ...(upstream === null ? {} : { upstream }),
    simulatorArgs: ['--latency-scale', '0.1'],
  };
}

/** Warnings and worse, and what is no log line at all; the rest is one `LOG_LEVEL` away in the real processes. */
export function isWorthShowing(line: string): boolean {
  return !line.startsWith('{') ? !line.includes('listening on') : /"level":"(warn|error|fatal)"/.test(line);
}
