import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openAside, removeLeftAside } from './aside.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 1_440 * MINUTE_MS;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-aside-test-'));
  vi.stubEnv('TMPDIR', folder);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(folder, { recursive: true });
});

/** As a process of that number has left it, so long ago. */
async function leave(pid: number, agoMs: number): Promise<string> {
  const name = `darkroom-inputs-${pid}-${agoMs}`;
  await mkdir(join(folder, name));
  await writeFile(join(folder, name, 'half an image'), 'x');
  await age(name, agoMs);
  return name;
}

async function age(name: string, agoMs: number): Promise<void> {
  const then = new Date(Date.now() - agoMs);
  await utimes(join(folder, name), then, then);
}

/** The number of a process that has ended. */
async function deadPid(): Promise<number> {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  await once(child, 'close');
  return child.pid as number;
}

describe('what a process has left in the temporary folder', () => {
  test('goes minutes after it was killed, at the next start', async () => {
    await leave(await deadPid(), 3 * MINUTE_MS);
    const aside = await openAside();
    expect(await readdir(folder)).toHaveLength(1); // its own
    await aside.close();
    expect(await readdir(folder)).toEqual([]);
  });

  test('stays while it was touched a moment ago: its process may live in another container', async () => {
    const name = await leave(await deadPid(), MINUTE_MS);
    expect(await removeLeftAside()).toBe(0);
    expect(await readdir(folder)).toEqual([name]);
  });

  test('stays while a process of its number runs, for a day: the number may be another’s by now', async () => {
    const name = await leave(process.ppid, DAY_MS - MINUTE_MS);
    await leave(process.ppid, DAY_MS + MINUTE_MS);
    expect(await removeLeftAside()).toBe(1);
    expect(await readdir(folder)).toEqual([name]);
  });

  test('goes though it had this process’s number, as in a container that was started again', async () => {
    await leave(process.pid, 3 * MINUTE_MS);
    expect(await removeLeftAside()).toBe(1);
  });
});

test('a living process keeps its folder, and touches it', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  try {
    const aside = await openAside();
    const [name = ''] = await readdir(folder);
    await age(name, 3 * MINUTE_MS);
    expect(await removeLeftAside()).toBe(0);
    vi.advanceTimersByTime(30_000);
    const ageMs = async () => Date.now() - (await stat(join(folder, name))).mtimeMs;
    await expect.poll(ageMs).toBeLessThan(MINUTE_MS);
    await aside.close();
  } finally {
    vi.useRealTimers();
  }
});
