import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDiskStore } from './disk.ts';
import { openStore } from './open-store.ts';
import { StorageError } from './store.ts';

const PNG_START = Buffer.from('\x89PNG\r\n\x1a\n rest', 'latin1');
const PNG = { contentType: 'image/png' };

let base: string;
let folders = 0;

beforeAll(async () => {
  base = await mkdtemp(join(tmpdir(), 'darkroom-disk-'));
});

afterAll(() => rm(base, { recursive: true }));

function freshRoot(): string {
  folders += 1;
  return join(base, `root-${folders}`);
}

describe('what lies on the disk', () => {
  test('is the object under its own key, readable by anyone, with nothing half written beside it', async () => {
    const root = freshRoot();
    const store = await openDiskStore(root);
    await store.put('images/acme/job_1/0.png', PNG_START, { ...PNG, metadata: { model: 'm' } });
    expect(await readFile(join(root, 'images/acme/job_1/0.png'))).toEqual(PNG_START);
    expect(await readdir(join(root, 'images/acme/job_1'))).toEqual(['.0.png~.json', '0.png']);
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  });

  test('a relative file: URL is relative to the working directory', async () => {
    const url = `file:${join('..', '..', '..', '..', '..', '..', '..', '..', '..', freshRoot())}`;
    const store = await openStore({ url });
    await store.put('a', PNG_START, PNG);
    expect(await readFile(join(base, `root-${folders}`, 'a'))).toEqual(PNG_START);
  });

  test('a delete leaves neither sidecar nor empty folders', async () => {
    const root = freshRoot();
    const store = await openDiskStore(root);
    await store.put('images/acme/job_1/0.png', PNG_START, PNG);
    await store.delete('images/acme/job_1/0.png');
    const left = await readdir(root, { recursive: true });
    expect(left.filter((name) => name !== '.tmp')).toEqual([]);
  });

  test('a link that leads out of the root is neither listed nor followed into', async () => {
    const root = freshRoot();
    const store = await openDiskStore(root);
    await store.put('a', PNG_START, PNG);
    await symlink(base, join(root, 'out'));
    expect(await Array.fromAsync(store.list(''))).toEqual(['a']);
  });
});

describe('a sidecar', () => {
  test('is not written where the name says all, and does not outlast what it said', async () => {
    const root = freshRoot();
    const store = await openDiskStore(root);
    const bytes = Buffer.from('{}');
    await store.put('a/0.json', bytes, { contentType: 'application/json', metadata: { model: 'm' } });
    expect(await store.head('a/0.json')).toMatchObject({ metadata: { model: 'm' } });
    await store.putAll([{ key: 'a/0.json', bytes, contentType: 'application/json' }]);
    expect(await store.head('a/0.json')).toMatchObject({ contentType: 'application/json', metadata: {} });
    expect(await readdir(join(root, 'a'))).toEqual(['0.json']);
  });

  test.each([
    ['missing', (path: string) => rm(path)],
    ['empty', (path: string) => writeFile(path, '')],
    ['torn', (path: string) => writeFile(path, '{"contentType":"ima')],
    ['foreign', (path: string) => writeFile(path, '{"contentType":5}')],
  ])('that is %s is made up for by the bytes', async (_what, spoil) => {
    const root = freshRoot();
    const store = await openDiskStore(root);
    await store.put('a.bin', PNG_START, { contentType: 'text/plain', metadata: { a: '1' } });
    await store.put('b.bin', Buffer.from('neither'), { contentType: 'text/plain' });
    await spoil(join(root, '.a.bin~.json'));
    await spoil(join(root, '.b.bin~.json'));
    expect(await store.head('a.bin')).toMatchObject({
      contentType: 'image/png',
      metadata: {},
      bytes: PNG_START.length,
    });
    expect(await store.head('b.bin')).toMatchObject({ contentType: 'application/octet-stream' });
    expect(await store.read('a.bin')).toEqual(PNG_START);
  });
});

test('a new object whose writer died before its sidecar gets no other’s', async () => {
  const root = freshRoot();
  const store = await openDiskStore(root);
  await store.put('a/0.png', PNG_START, { contentType: 'image/png', metadata: { of: 'first' } });
  await rm(join(root, 'a/.0.png~.json'));
  const late = { key: 'a/0.png', bytes: Buffer.from('late'), contentType: 'image/webp', metadata: { of: 'late' } };
  expect(await store.putNew([late])).toBe(false);
  expect(await store.head('a/0.png')).toMatchObject({ contentType: 'image/png', metadata: {} });
  expect([await readdir(join(root, 'a')), await readdir(join(root, '.tmp'))]).toEqual([['0.png'], []]);
});

describe('files being written', () => {
  test('that a dead process left are swept at start and when asked, younger ones are not touched', async () => {
    const root = freshRoot();
    await (await openDiskStore(root)).close();
    const old = new Date(Date.now() - 3_700_000);
    for (const name of ['old.tmp', 'young.tmp']) await writeFile(join(root, '.tmp', name), 'half');
    await utimes(join(root, '.tmp/old.tmp'), old, old);
    const store = await openDiskStore(root);
    expect(await readdir(join(root, '.tmp'))).toEqual(['young.tmp']);
    await utimes(join(root, '.tmp/young.tmp'), old, old);
    expect([await store.removeLeftovers(), await store.removeLeftovers()]).toEqual([1, 0]);
    expect(await readdir(join(root, '.tmp'))).toEqual([]);
  });
});

describe('a store opened as it is', () => {
  test('makes nothing and leaves everything where it lies', async () => {
    const root = freshRoot();
    await expect(openStore({ url: `file:${root}`, asIs: true })).rejects.toThrow(StorageError);
    expect(await readdir(base)).not.toContain(basename(root));
    await (await openDiskStore(root)).put('a', PNG_START, PNG);
    const old = new Date(Date.now() - 3_700_000);
    await writeFile(join(root, '.tmp/old.tmp'), 'half');
    await utimes(join(root, '.tmp/old.tmp'), old, old);
    const store = await openStore({ url: `file:${root}`, asIs: true });
    expect(await Array.fromAsync(store.list(''))).toEqual(['a']);
    expect(await readdir(join(root, '.tmp'))).toEqual(['old.tmp']);
  });
});

test('a body that comes for hours is stored, though another process sweeps meanwhile', async () => {
  const root = freshRoot();
  const store = await openDiskStore(root);
  const old = new Date(Date.now() - 3_700_000);
  async function* body() {
    yield Buffer.from('early');
    await expect.poll(async () => (await readdir(join(root, '.tmp'))).length).toBeGreaterThan(0);
    for (const name of await readdir(join(root, '.tmp'))) await utimes(join(root, '.tmp', name), old, old);
    yield Buffer.from('late');
    await expect.poll(async () => (await youngest(join(root, '.tmp'))) > old.getTime()).toBe(true);
    await openDiskStore(root);
  }
  await store.putStream('a', body(), { contentType: 'application/jsonl' });
  expect(await store.head('a')).toMatchObject({ bytes: 9, contentType: 'application/jsonl' });
});

async function youngest(folder: string): Promise<number> {
  const names = await readdir(folder);
  return Math.max(...(await Promise.all(names.map(async (name) => (await stat(join(folder, name))).mtimeMs))));
}

test('an object is never told absent because its disk goes away and comes back', async () => {
  const root = freshRoot();
  const store = await openDiskStore(root);
  await store.put('a.png', PNG_START, PNG);
  const over = new AbortController();
  const flapping = (async () => {
    for (let turn = 0; turn < 5_000; turn += 1) {
      await rename(root, `${root}.away`);
      await rename(`${root}.away`, root);
    }
    over.abort();
  })();
  const answers = new Set<string>();
  while (!over.signal.aborted) {
    const answer = await store.head('a.png').catch((error: unknown) => error);
    answers.add(answer === null ? 'absent' : answer instanceof StorageError ? 'away' : 'there');
  }
  await flapping;
  expect(answers).not.toContain('absent');
  expect(answers).toContain('there');
});

describe('a disk that is away', () => {
  test('is an error of storage in every operation, and back when it is back', async () => {
    const root = freshRoot();
    const store = await openDiskStore(root);
    await store.put('images/a', PNG_START, PNG);
    await rename(root, `${root}.away`);
    const operations = {
      put: () => store.put('images/b', PNG_START, PNG),
      get: () => store.get('images/a'),
      read: () => store.read('images/nothing'),
      head: () => store.head('images/a'),
      delete: () => store.delete('images/a'),
      list: () => Array.fromAsync(store.list('')),
      probe: () => store.probe(),
    };
    const expectAway = async (): Promise<void> => {
      for (const [name, operation] of Object.entries(operations)) {
        await expect(operation(), name).rejects.toThrow(StorageError);
      }
    };
    await expectAway();
    await expect(stat(root)).rejects.toThrow('ENOENT');
    await writeFile(root, 'a file where the folder was');
    await expectAway();
    await rm(root);
    await rename(`${root}.away`, root);
    expect(await store.read('images/a')).toEqual(PNG_START);
    await operations.put();
    await operations.probe();
  });

  test('is so at start as well', async () => {
    const root = freshRoot();
    await writeFile(root, 'no folder');
    await expect(openStore({ url: `file:${root}` })).rejects.toThrow(StorageError);
    await expect(openStore({ url: `file:${root}/below` })).rejects.toThrow(StorageError);
  });

  test('has a message without the cause’s path, and the cause', async () => {
    const root = freshRoot();
    const store = await openDiskStore(root);
    await rm(root, { recursive: true });
    const error: unknown = await store.probe().catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: 'unavailable', status: 503, cause: { code: 'ENOENT' } });
    expect((error as StorageError).message).not.toContain(root);
  });

  test('a removed hidden folder is made again', async () => {
    const root = freshRoot();
    const store = await openDiskStore(root);
    await rm(join(root, '.tmp'), { recursive: true });
    await store.put('a', PNG_START, PNG);
    expect(await store.read('a')).toEqual(PNG_START);
  });
});

// A writer in its own process says `start n` before and `done n` after each put of object n: 2 MB that begin with n and end
// with `end`. Six puts at a time, so that a kill always falls into the middle of some.
const WRITER = `
  const { openDiskStore } = await import(process.argv[1]);
  const store = await openDiskStore(process.argv[2]);
  let next = Number(process.argv[3]);
  const write = async () => {
    for (;;) {
      const at = next++;
      const bytes = Buffer.alloc(2_000_000, String(at % 10));
      bytes.write(at + ';');
      bytes.write('end', bytes.length - 3);
      process.stdout.write('start ' + at + '\\n');
      await store.put('k/' + (at % 7) + '/' + at + '.bin', bytes, { contentType: 'text/plain' });
      process.stdout.write('done ' + at + '\\n');
    }
  };
  await Promise.all(Array.from({ length: 6 }, write));
`;

/** Runs the writer until its `lines`-th line, kills it there, and gives back which objects it had been told were kept. */
async function writeAndKill(root: string, from: number, lines: number): Promise<number[]> {
  const module = new URL('./disk.ts', import.meta.url).href;
  const child: ChildProcess = spawn(
    process.execPath,
    ['--input-type=module', '-e', WRITER, module, root, String(from)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const exited = once(child, 'exit');
  const done: number[] = [];
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout ?? process.stdin })) {
    const [word, at] = line.split(' ');
    if (word === 'done') done.push(Number(at));
    seen += 1;
    if (seen === lines) child.kill('SIGKILL');
  }
  expect(await exited).toEqual([null, 'SIGKILL']);
  return done;
}

test('a writer killed at random moments never leaves a cut object, and loses none it was told is kept', async () => {
  const root = freshRoot();
  await mkdir(root);
  const promised: number[] = [];
  for (let round = 0; round < 8; round += 1) {
    const lines = 1 + Math.floor(Math.random() * 60);
    promised.push(...(await writeAndKill(root, round * 100_000, lines)));
  }
  const store = await openDiskStore(root);
  const keys = await Array.fromAsync(store.list(''));
  for (const key of keys) {
    const bytes = Buffer.from((await store.read(key)) ?? []);
    const at = /(\d+)\.bin$/.exec(key)?.[1];
    expect(bytes.length, key).toBe(2_000_000);
    expect(bytes.subarray(0, 20).toString().split(';')[0], key).toBe(at);
    expect(bytes.subarray(-3).toString(), key).toBe('end');
    expect(await store.head(key)).toMatchObject({ bytes: 2_000_000 });
  }
  const kept = new Set(keys);
  expect(promised.filter((at) => !kept.has(`k/${at % 7}/${at}.bin`))).toEqual([]);
  expect(promised.length).toBeGreaterThan(0);
}, 60_000);
