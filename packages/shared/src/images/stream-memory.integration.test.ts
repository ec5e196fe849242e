import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startS3 } from '@darkroom/simulator/s3/server.ts';
import { expect, test } from 'vitest';

// What a long stream costs a process in memory, measured from outside of it.

const CHILD = fileURLToPath(new URL('test-stream-child.ts', import.meta.url));
const MEGABYTES = 200;
const MAX_GROWTH_BYTES = 100_000_000;

async function stream(url: string, endpoint: string): Promise<{ stored: number; grownBytes: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, url, endpoint, String(MEGABYTES)]);
  return JSON.parse(stdout) as { stored: number; grownBytes: number };
}

test('200 MB to disk stay out of memory', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'darkroom-stream-'));
  const { stored, grownBytes } = await stream(`file:${folder}`, 'http://127.0.0.1:1');
  await rm(folder, { recursive: true });
  expect(stored).toBe(MEGABYTES * 1_000_000);
  expect(grownBytes).toBeLessThan(MAX_GROWTH_BYTES);
});

test('200 MB to S3 stay out of memory', async () => {
  const server = await startS3({});
  const { stored, grownBytes } = await stream('s3://darkroom', server.url);
  await server.close();
  expect(stored).toBe(MEGABYTES * 1_000_000);
  expect(grownBytes).toBeLessThan(MAX_GROWTH_BYTES);
});
