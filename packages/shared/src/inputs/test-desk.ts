// TEST ONLY. A desk with its own Redis and folder, and an agent that reaches what it is told.
import { mkdtemp, rm } from 'node:fs/promises';
import type { LookupFunction } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { keysOf } from '../base/keys.ts';
import { openStore } from '../images/open-store.ts';
import { parseAllowPrivate } from '../net/address.ts';
import { openGuardedAgent } from '../net/guard.ts';
import type { InputSet, PlacedReference, Reference } from '../requests/inputs.ts';
import { type InputDesk, openInputDesk } from './desk.ts';
import type { InputDeps } from './input-store.ts';

export interface TestDesk {
  readonly desk: InputDesk;
  readonly deps: InputDeps;
  readonly redis: TestRedis;
  close(): Promise<void>;
}

export interface TestDeskOptions {
  /** As ALLOW_PRIVATE_URLS. */
  readonly allowPrivate?: string;
  readonly lookup?: LookupFunction;
  readonly maxUploadBytes?: number;
}

export async function openTestDesk(options: TestDeskOptions = {}): Promise<TestDesk> {
  const redis = await openTestRedis();
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-desk-'));
  const { lookup, maxUploadBytes = 200_000_000 } = options;
  const agent = openGuardedAgent({
    allowPrivate: parseAllowPrivate(options.allowPrivate ?? 'false'),
    ...(lookup === undefined ? {} : { lookup }),
  });
  const deps: InputDeps = {
    redis: redis.redis,
    keys: keysOf(redis.prefix),
    store: await openStore({ url: `file:${folder}` }),
  };
  const desk = await openInputDesk({ ...deps, agent, maxUploadBytes });
  return {
    desk,
    deps,
    redis,
    async close() {
      await desk.close();
      await agent.close();
      await redis.close();
      await rm(folder, { recursive: true });
    },
  };
}

export function imagesOf(...references: readonly Reference[]): InputSet<PlacedReference> {
  const images = references.map((reference, at) => ({ param: `images[${at}]`, reference }));
  return { images, mask: null, markup: null };
}

export function dataUrlOf(bytes: Uint8Array, type = 'image/png'): Reference {
  return { kind: 'data', dataUrl: `data:${type};base64,${Buffer.from(bytes).toString('base64')}` };
}
