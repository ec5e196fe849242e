import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { inputKey } from '../images/keys.ts';
import { type ImageStore, StorageError } from '../images/store.ts';
import type { HeldInput } from './held.ts';
import { extendInputs, type InputDeps, readInput, storeInputs, sweepInputs } from './input-store.ts';
import { CLAIM_LIFE_MS, claimInput, dropInput, keepInputs, readFacts } from './steps.ts';
import { openTestDesk, type TestDesk } from './test-desk.ts';

const HOUR_MS = 3_600_000;
let opened: TestDesk;
let deps: InputDeps;
let folder: string;

beforeAll(async () => {
  opened = await openTestDesk();
  deps = opened.deps;
  folder = await mkdtemp(join(tmpdir(), 'darkroom-input-store-'));
});
afterAll(async () => {
  await opened.close();
  await rm(folder, { recursive: true });
});

/** What lies there is of no interest here, so it need not be an image. */
async function makeInput(text: string): Promise<HeldInput> {
  const sha256 = createHash('sha256').update(text).digest('hex');
  const path = join(folder, sha256);
  await writeFile(path, text);
  const size = { width: 1, height: 1, hasAlpha: false, isTransparent: false };
  return { facts: { sha256, bytes: text.length, format: 'png', contentType: 'image/png', ...size }, path };
}

const isStored = async (account: string, { facts }: HeldInput): Promise<boolean> =>
  (await deps.store.head(inputKey(account, facts.sha256))) !== null;

const scoreOf = (account: string, { facts }: HeldInput) =>
  deps.redis.zscore(deps.keys.inputs, `${account}/${facts.sha256}`);

/** Later than anything kept for an hour only. */
const soon = (): number => Date.now() + 2 * HOUR_MS;

async function sweepAll(now: number, from: InputDeps = deps): Promise<number> {
  let removed = 0;
  for (let more = await sweepInputs(from, now, 100); more > 0; more = await sweepInputs(from, now, 100))
    removed += more;
  return removed;
}

describe('an input that is kept', () => {
  test('can be read, with what was measured of it', async () => {
    const input = await makeInput('read');
    await storeInputs(deps, 'shop', [input], Date.now());
    expect((await readInput(deps.store, 'shop', input.facts.sha256))?.toString()).toBe('read');
    expect(await readFacts(deps, 'shop', input.facts.sha256)).toEqual(input.facts);
    expect(await readInput(deps.store, 'other', input.facts.sha256)).toBeNull();
    expect(await readFacts(deps, 'other', input.facts.sha256)).toBeNull();
  });

  test('stays until then, and a later time stands', async () => {
    const input = await makeInput('later');
    const until = Date.now() + 10 * HOUR_MS;
    await storeInputs(deps, 'shop', [input], until);
    await storeInputs(deps, 'shop', [input], Date.now());
    expect(await scoreOf('shop', input)).toBe(String(until));
    await sweepAll(until - 1);
    expect(await isStored('shop', input)).toBe(true);
    await sweepAll(until);
    expect(await isStored('shop', input)).toBe(false);
    expect(await scoreOf('shop', input)).toBeNull();
    expect(await deps.redis.exists(deps.keys.input('shop', input.facts.sha256))).toBe(0);
  });

  test('for ever stays for ever', async () => {
    const input = await makeInput('for ever');
    await storeInputs(deps, 'shop', [input], Number.POSITIVE_INFINITY);
    await storeInputs(deps, 'shop', [input], Date.now());
    await sweepAll(Number.MAX_SAFE_INTEGER);
    expect(await isStored('shop', input)).toBe(true);
  });

  test('by many at once is stored once, and whole', async () => {
    const input = await makeInput('many'.repeat(50_000));
    await Promise.all(Array.from({ length: 20 }, () => storeInputs(deps, 'shop', [input], Date.now())));
    expect((await readInput(deps.store, 'shop', input.facts.sha256))?.length).toBe(200_000);
    expect(await Array.fromAsync(deps.store.list(inputKey('shop', input.facts.sha256)))).toHaveLength(1);
  });

  test('whose stored bytes were cut is stored anew', async () => {
    const input = await makeInput('whole');
    const key = inputKey('shop', input.facts.sha256);
    await deps.store.put(key, Buffer.from('who'), { contentType: 'image/png' });
    await storeInputs(deps, 'shop', [input], Date.now());
    expect((await readInput(deps.store, 'shop', input.facts.sha256))?.toString()).toBe('whole');
  });

  test('of one account is not another account’s', async () => {
    const input = await makeInput('shared');
    await storeInputs(deps, 'one', [input], Date.now());
    await storeInputs(deps, 'two', [input], Date.now() + 10 * HOUR_MS);
    await sweepAll(soon());
    expect([await isStored('one', input), await isStored('two', input)]).toEqual([false, true]);
  });
});

describe('extendInputs', () => {
  test('keeps all of them longer, or tells that one is gone and keeps none', async () => {
    const [a, b, never] = [await makeInput('a'), await makeInput('b'), await makeInput('never')];
    await storeInputs(deps, 'retry', [a, b], Date.now());
    const until = Date.now() + 10 * HOUR_MS;
    expect(await extendInputs(deps, 'retry', [a.facts.sha256, never.facts.sha256], until)).toBe(false);
    expect(await scoreOf('retry', a)).not.toBe(String(until));
    expect(await scoreOf('retry', never)).toBeNull();
    expect(await extendInputs(deps, 'retry', [a.facts.sha256, b.facts.sha256, a.facts.sha256], until)).toBe(true);
    await sweepAll(soon());
    expect([await isStored('retry', a), await isStored('retry', b)]).toEqual([true, true]);
    expect(await extendInputs(deps, 'retry', [], until)).toBe(true);
  });

  test('tells bytes that are gone though they should not be', async () => {
    const input = await makeInput('lost');
    await storeInputs(deps, 'retry', [input], Date.now());
    await deps.store.delete(inputKey('retry', input.facts.sha256));
    expect(await extendInputs(deps, 'retry', [input.facts.sha256], soon())).toBe(false);
  });
});

describe('a vision file', () => {
  test('holds its image however long nobody uses it', async () => {
    const input = await makeInput('held by a file');
    await storeInputs(deps, 'shop', [input], Date.now());
    const holders = deps.keys.inputFiles('shop', input.facts.sha256);
    await deps.redis.sadd(holders, 'file-1', 'file-2');
    await sweepAll(soon());
    expect([await isStored('shop', input), await scoreOf('shop', input)]).toEqual([true, null]);
    expect(await readFacts(deps, 'shop', input.facts.sha256)).toEqual(input.facts);
    await deps.redis.srem(holders, 'file-1', 'file-2');
    expect(await extendInputs(deps, 'shop', [input.facts.sha256], Date.now())).toBe(true);
    await sweepAll(soon());
    expect(await isStored('shop', input)).toBe(false);
  });
});

describe('a claim', () => {
  test('is one sweep’s alone, and makes users wait until the bytes are gone', async () => {
    const input = await makeInput('claimed');
    const due = { account: 'claims', sha256: input.facts.sha256 };
    await storeInputs(deps, due.account, [input], Date.now());
    const claim = await claimInput(deps, due, soon());
    expect(claim).not.toBeNull();
    expect(await claimInput(deps, due, soon() + HOUR_MS)).toBeNull();
    let isKept = false;
    const keeping = storeInputs(deps, due.account, [input], Date.now()).finally(() => {
      isKept = true;
    });
    await deps.redis.ping();
    expect(isKept).toBe(false);
    await deps.store.delete(inputKey(due.account, due.sha256));
    expect(await dropInput(deps, due, claim ?? '')).toBe(true);
    await keeping;
    expect(await isStored(due.account, input)).toBe(true);
  });

  test('of a sweep that died is taken over after a while, by a user or another sweep', async () => {
    const [used, swept] = [await makeInput('left to a user'), await makeInput('left to a sweep')];
    await storeInputs(deps, 'dead', [used, swept], Date.now());
    const age = async ({ facts }: HeldInput): Promise<string> => {
      const claim = await claimInput(deps, { account: 'dead', sha256: facts.sha256 }, soon());
      await deps.redis.hset(deps.keys.input('dead', facts.sha256), 'claimedAt', Date.now() - CLAIM_LIFE_MS - 1_000);
      return claim ?? '';
    };
    const claims = [await age(used), await age(swept)];
    const until = Date.now() + 10 * HOUR_MS;
    expect(await keepInputs(deps, 'dead', [{ sha256: used.facts.sha256, facts: null }], until)).toBe(true);
    expect(await dropInput(deps, { account: 'dead', sha256: used.facts.sha256 }, claims[0] ?? '')).toBe(false);
    await sweepAll(soon());
    expect([await isStored('dead', used), await isStored('dead', swept)]).toEqual([true, false]);
    expect(await dropInput(deps, { account: 'dead', sha256: swept.facts.sha256 }, claims[1] ?? '')).toBe(false);
  });

  test('is left when the storage is away, and the input goes later', async () => {
    const input = await makeInput('storage away');
    await storeInputs(deps, 'away', [input], Date.now());
    const failure = new StorageError('away', null);
    const away = withDelays(deps.store, async () => undefined, { delete: () => Promise.reject(failure) });
    await expect(sweepInputs({ ...deps, store: away }, soon(), 100)).rejects.toBe(failure);
    expect(await sweepInputs(deps, soon(), 100)).toBe(0);
    expect(await isStored('away', input)).toBe(true);
    await deps.redis.hset(deps.keys.input('away', input.facts.sha256), 'claimedAt', Date.now() - CLAIM_LIFE_MS - 1_000);
    expect(await sweepAll(soon())).toBe(1);
    expect(await isStored('away', input)).toBe(false);
  });
});

/** A real store whose calls take their time, before and after the deed. */
function withDelays(store: ImageStore, delay: () => Promise<void>, change: Partial<ImageStore> = {}): ImageStore {
  const slow = <A extends unknown[], R>(call: (...args: A) => Promise<R>) => {
    return async (...args: A): Promise<R> => {
      await delay();
      const result = await call(...args);
      await delay();
      return result;
    };
  };
  return {
    kind: store.kind,
    put: slow((...args) => store.put(...args)),
    putAll: slow((...args) => store.putAll(...args)),
    putNew: slow((...args) => store.putNew(...args)),
    putStream: slow((...args) => store.putStream(...args)),
    get: slow((...args) => store.get(...args)),
    read: slow((...args) => store.read(...args)),
    head: slow((...args) => store.head(...args)),
    version: slow((...args) => store.version(...args)),
    delete: slow((...args) => store.delete(...args)),
    list: (prefix) => store.list(prefix),
    listObjects: (prefix) => store.listObjects(prefix),
    removeLeftovers: () => store.removeLeftovers(),
    presign: slow((...args) => store.presign(...args)),
    probe: slow(() => store.probe()),
    close: async () => undefined,
    ...change,
  };
}

test('an input somebody has kept is never removed, whatever sweeps run beside it', async () => {
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(fc.infiniteStream(fc.nat({ max: 12 })), fc.nat({ max: 3 }), async (hops, sweepers) => {
      const account = `race-${(runs += 1)}`;
      const delay = async (): Promise<void> => {
        for (let left = hops.next().value ?? 0; left > 0; left -= 1) await new Promise(setImmediate);
      };
      const slow = { ...deps, store: withDelays(deps.store, delay) };
      const inputs = await Promise.all(Array.from({ length: 12 }, (_, at) => makeInput(`${account} ${at}`)));
      await storeInputs(deps, account, inputs, Date.now());
      const use = async (input: HeldInput): Promise<boolean> => {
        await delay();
        await storeInputs(slow, account, [input], Number.POSITIVE_INFINITY);
        return await isStored(account, input);
      };
      const retry = async (input: HeldInput): Promise<boolean> => {
        await delay();
        const isThere = await extendInputs(slow, account, [input.facts.sha256], Number.POSITIVE_INFINITY);
        return !isThere || (await isStored(account, input));
      };
      const [sure, maybe, unused] = [inputs.slice(0, 5), inputs.slice(5, 10), inputs.slice(10)];
      const sweeping = Array.from({ length: 1 + sweepers }, () => sweepInputs(slow, soon(), 50));
      const used = await Promise.all([...sure.flatMap((input) => [use(input), use(input)]), ...maybe.map(retry)]);
      await Promise.all(sweeping);
      expect(used).not.toContain(false);
      await sweepAll(soon());
      expect(await Promise.all(sure.map((input) => isStored(account, input)))).not.toContain(false);
      expect(await Promise.all(unused.map((input) => isStored(account, input)))).toEqual([false, false]);
    }),
    { numRuns: 60 },
  );
});
