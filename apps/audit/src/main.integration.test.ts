// The audit as operators run it: a process, its output, how it exits.
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openStore } from '@darkroom/shared/images/open-store.ts';
import { childEnv } from '@darkroom/testing/child-env.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Report } from './report.ts';
import { type LiveSystem, openLiveSystem } from './testing/live-system.ts';

const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

let system: LiveSystem;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-audit-'));
  system = await openLiveSystem(() => openStore({ url: `file:${folder}` }));
});

afterAll(async () => {
  await system.close();
  await rm(folder, { recursive: true });
});

interface Exit {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Exit> {
  const { url, prefix } = system.server;
  const all = childEnv({ REDIS_URL: url, REDIS_PREFIX: prefix, STORAGE_URL: `file:${folder}`, ...env });
  return new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { env: all }, (error, stdout, stderr) => {
      resolve({ code: typeof error?.code === 'number' ? error.code : 0, stdout, stderr });
    });
  });
}

test('exits with 0 when all is well and with 1 when something is not, and says what', async () => {
  const job = await system.run();
  const well = await run(['--deep']);
  expect(well).toMatchObject({ code: 0, stderr: '' });
  expect(well.stdout).toMatch(/\n1 jobs, 1 images, 1 attempts looked at; 0 problems\n$/);
  await system.store.delete(`images/acme/${job}/0.png`);
  const bad = await run(['--json']);
  expect(bad.code).toBe(1);
  expect(JSON.parse(bad.stdout) as Report).toMatchObject({
    problems: 1,
    kinds: [{ kind: 'image_missing', count: 1, findings: [{ subject: job, detail: 'image 0' }] }],
  });
});

test('exits with 1 and says so when the storage is not the one Redis knows', async () => {
  const { redis, prefix } = system.server;
  await redis.hset(`{${prefix}}:storage`, 'id', 'another');
  const exit = await run([]);
  expect(exit).toMatchObject({ code: 1, stdout: '' });
  expect(exit.stderr).toContain('not the one used so far');
  await redis.del(`{${prefix}}:storage`);
});

test('exits with 2 when it is called wrongly, and says how it is called', async () => {
  const misused = await run(['--depp']);
  expect(misused).toMatchObject({ code: 2, stdout: '' });
  expect(misused.stderr).toMatch(/--depp[\s\S]*--call-timeout/);
  expect(await run([], { STORAGE_URL: 'ftp://somewhere' })).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('STORAGE_URL') as string,
  });
  expect((await run(['--help'])).code).toBe(0);
});

test('says so when it could not look, and makes nothing there', async () => {
  const nowhere = join(folder, 'nowhere');
  const exit = await run([], { STORAGE_URL: `file:${nowhere}` });
  expect(exit).toMatchObject({ code: 1, stdout: '' });
  expect(exit.stderr).toMatch(/storage/);
});
