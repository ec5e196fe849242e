import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openTestRedis, type TestRedis } from '@darkroom/testing/redis.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Keys, keysOf } from '../base/keys.ts';
import { openStore } from '../images/open-store.ts';
import { readInput, sweepInputs } from '../inputs/input-store.ts';
import { openTestDesk, type TestDesk } from '../inputs/test-desk.ts';
import { inPieces, noise } from '../inputs/test-images.ts';
import { toPublicFile } from './file-record.ts';
import { createFile, createVisionFile, deleteFile, type FileDeps, readFile } from './file-store.ts';
import { listFiles } from './list-files.ts';

const ID = 'file-01kb4xwqf7c0v3m8r5y2d9tz6n';
let opened: TestRedis;
let folder: string;
let keys: Keys;
let deps: FileDeps;

beforeAll(async () => {
  opened = await openTestRedis();
  folder = await mkdtemp(join(tmpdir(), 'darkroom-files-'));
  keys = keysOf(opened.prefix);
  deps = { redis: opened.redis, keys, store: await openStore({ url: `file:${folder}` }) };
});
afterAll(async () => {
  await opened.close();
  await rm(folder, { recursive: true });
});

async function* bodyOf(text: string, failure?: Error): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text);
  if (failure) throw failure;
}

function fileOf(account: string, text = 'line\n', failure?: Error) {
  return {
    account,
    purpose: 'batch',
    filename: 'lines.jsonl',
    contentType: 'application/jsonl',
    body: bodyOf(text, failure),
    maxBytes: 1_000,
  } as const;
}

const all = { purpose: null, limit: 10_000, order: 'asc', after: null } as const;

describe('createFile', () => {
  it('stores the bytes, records them, and reads the same back', async () => {
    const made = await createFile(deps, fileOf('reader'));
    expect(made).toMatchObject({ bytes: 5, key: `files/reader/${made.id}`, expiresAt: null });
    expect(await readFile(deps, 'reader', made.id)).toEqual(made);
    expect(Buffer.from((await deps.store.read(made.key)) ?? []).toString()).toBe('line\n');
    expect(await deps.store.head(made.key)).toMatchObject({
      contentType: 'application/jsonl',
      metadata: { 'file-id': made.id, purpose: 'batch' },
    });
    expect(toPublicFile(made)).toMatchObject({ object: 'file', created_at: Math.floor(made.createdAt / 1_000) });
  });

  it('made again under its id is one file, the newer', async () => {
    const output = { ...fileOf('again'), purpose: 'batch_output', id: `${ID}-output-r2` } as const;
    await createFile(deps, output);
    const second = await createFile(deps, { ...output, filename: 'newer', body: bodyOf('newer line\n') });
    expect(await listFiles(deps, 'again', all)).toEqual({ files: [second], hasMore: false });
    expect(await deps.store.head(second.key)).toMatchObject({ bytes: 11 });
  });

  it('leaves nothing when the body fails or is too long', async () => {
    const failure = new Error('the caller left');
    await expect(createFile(deps, fileOf('none', 'x', failure))).rejects.toBe(failure);
    await expect(createFile(deps, fileOf('none', 'x'.repeat(1_001)))).rejects.toMatchObject({ status: 413 });
    expect(await listFiles(deps, 'none', all)).toEqual({ files: [], hasMore: false });
    expect(await Array.fromAsync(deps.store.list('files/none/'))).toEqual([]);
  });

  it.each(['', 'x', 'file-../../x', `${ID}-`, `${ID}-A`, `${ID}/x`, `job_${ID.slice(5)}`])(
    'refuses the id %j',
    async (id) => {
      await expect(createFile(deps, { ...fileOf('ids'), id })).rejects.toThrow(TypeError);
    },
  );
});

describe('another account', () => {
  it('neither reads nor deletes nor lists a file', async () => {
    const { id, key } = await createFile(deps, fileOf('mine'));
    expect(await readFile(deps, 'theirs', id)).toBeNull();
    expect(await deleteFile(deps, 'theirs', id)).toBe(false);
    expect((await listFiles(deps, 'theirs', all))?.files).toEqual([]);
    expect(await listFiles(deps, 'theirs', { ...all, after: id })).toBeNull();
    expect(await deps.store.head(key)).not.toBeNull();
  });
});

describe('deleteFile', () => {
  it('removes record, places in lists, and bytes', async () => {
    const { id, key } = await createFile(deps, fileOf('gone'));
    expect(await deleteFile(deps, 'gone', id)).toBe(true);
    expect(await deleteFile(deps, 'gone', id)).toBe(false);
    expect(await deps.store.head(key)).toBeNull();
    const left = await Promise.all(
      [keys.file(id), keys.accountFiles('gone'), keys.accountFiles('gone', 'batch')].map((key) =>
        opened.redis.exists(key),
      ),
    );
    expect(left).toEqual([0, 0, 0]);
  });
});

describe('a vision file', () => {
  const LATER_MS = 100 * 3_600_000;
  let desk: TestDesk;
  let png: Buffer;

  beforeAll(async () => {
    desk = await openTestDesk();
    png = await noise(30, 20, 3).png().toBuffer();
  });
  afterAll(() => desk.close());

  async function make(account: string) {
    const held = await desk.desk.receive('file', inPieces(png), 100_000);
    const file = await createVisionFile({ ...desk.deps, desk: desk.desk }, { account, filename: 'cat.png', held });
    await desk.desk.release([held]);
    return file;
  }
  const stored = (account: string, sha256: string) => readInput(desk.deps.store, account, sha256);

  it('is recorded and listed as others are, and its bytes are an input', async () => {
    const file = await make('eyes');
    expect(file).toMatchObject({
      purpose: 'vision',
      filename: 'cat.png',
      bytes: png.length,
      contentType: 'image/png',
      key: `inputs/eyes/${file.sha256}`,
    });
    expect(await readFile(desk.deps, 'eyes', file.id)).toEqual(file);
    expect(await listFiles(desk.deps, 'eyes', { ...all, purpose: 'vision' })).toMatchObject({ files: [file] });
    expect((await stored('eyes', file.sha256))?.equals(png)).toBe(true);
  });

  it('keeps its bytes as long as it is there, others with the same bytes too', async () => {
    const [first, second] = [await make('twice'), await make('twice')];
    expect(second.key).toBe(first.key);
    await sweepInputs(desk.deps, Date.now() + LATER_MS, 1_000);
    expect(await deleteFile(desk.deps, 'twice', first.id)).toBe(true);
    await sweepInputs(desk.deps, Date.now() + LATER_MS, 1_000);
    expect(await stored('twice', first.sha256)).not.toBeNull();
    expect(await deleteFile(desk.deps, 'twice', second.id)).toBe(true);
    expect(await stored('twice', first.sha256)).not.toBeNull();
    await sweepInputs(desk.deps, Date.now() + LATER_MS, 1_000);
    expect(await stored('twice', first.sha256)).toBeNull();
    expect(await readFile(desk.deps, 'twice', second.id)).toBeNull();
  });

  it('that is deleted leaves its bytes to the jobs that need them', async () => {
    const file = await make('job');
    const references = { images: [{ param: 'images[0]', reference: { kind: 'file', fileId: file.id } as const }] };
    const taken = await desk.desk.resolve('job', { ...references, mask: null, markup: null });
    const until = Date.now() + 2 * LATER_MS;
    await desk.desk.keep(
      'job',
      taken.images.map(({ held }) => held),
      until,
    );
    await deleteFile(desk.deps, 'job', file.id);
    await sweepInputs(desk.deps, Date.now() + LATER_MS, 1_000);
    expect(await stored('job', file.sha256)).not.toBeNull();
    await sweepInputs(desk.deps, until, 1_000);
    expect(await stored('job', file.sha256)).toBeNull();
  });
});

describe('listFiles', () => {
  it('pages through more files than are read at once, by purpose, in both orders, all and once', async () => {
    const ids: string[] = [];
    const step = opened.redis.pipeline();
    for (let at = 0; at < 1_203; at += 1) {
      const id = `file-${String(at).padStart(26, '0')}`;
      const purpose = at % 3 === 0 ? 'batch' : 'batch_output';
      ids.push(id);
      const hash = {
        id,
        account: 'many',
        purpose,
        filename: 'f',
        bytes: 1,
        createdAt: at,
        key: 'k',
        contentType: 'c',
        sha256: 's',
        expiresAt: '',
      };
      step.hset(keys.file(id), hash);
      step.zadd(keys.accountFiles('many'), at, id);
      step.zadd(keys.accountFiles('many', purpose), at, id);
    }
    await step.exec();
    const walk = async (query: object): Promise<string[]> => {
      const seen: string[] = [];
      for (let after: string | null = null, isMore = true; isMore; ) {
        const page = await listFiles(deps, 'many', { ...all, ...query, after });
        seen.push(...(page?.files.map(({ id }) => id) ?? []));
        after = seen.at(-1) ?? null;
        isMore = page?.hasMore ?? false;
      }
      return seen;
    };
    expect(await walk({})).toEqual(ids);
    expect(await walk({ limit: 501, order: 'desc' })).toEqual(ids.toReversed());
    expect(await walk({ limit: 401, purpose: 'batch' })).toEqual(ids.filter((_, at) => at % 3 === 0));
    expect(await listFiles(deps, 'many', { ...all, limit: 1_203 })).toMatchObject({ hasMore: false });
    expect(await listFiles(deps, 'many', { ...all, limit: 1_202 })).toMatchObject({ hasMore: true });
  });
});
