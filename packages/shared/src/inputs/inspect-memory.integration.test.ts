import { execFile } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createDeflate } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { chunk, PNG_SIGNATURE } from './test-images.ts';

// What an image costs a process in memory, measured from outside of it.

const CHILD = fileURLToPath(new URL('test-inspect-child.ts', import.meta.url));
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-inspect-memory-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function inspect(...paths: string[]): Promise<{ outcomes: string[]; grownBytes: number }> {
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, ...paths]);
  return JSON.parse(stdout) as { outcomes: string[]; grownBytes: number };
}

/** A whole and valid RGB PNG of zeros, 768 MB when decoded. */
async function writeRealBomb(path: string, side: number): Promise<void> {
  const row = Buffer.alloc(1 + side * 3);
  const rows = Readable.from(
    (function* () {
      for (let at = 0; at < side; at += 1) yield row;
    })(),
  );
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2], 8);
  const file = createWriteStream(path);
  file.write(Buffer.concat([PNG_SIGNATURE, chunk('IHDR', header)]));
  await pipeline(
    rows,
    createDeflate({ level: 1 }),
    async function* (pieces) {
      for await (const piece of pieces) yield chunk('IDAT', piece as Buffer);
      yield chunk('IEND');
    },
    file,
  );
}

test('a bomb of 16000 x 16000 pixels is refused within 20 MB', async () => {
  const path = join(folder, 'bomb.png');
  await writeRealBomb(path, 16_000);
  const { outcomes, grownBytes } = await inspect(path, path, path, path);
  expect(outcomes).toEqual(outcomes.map(() => expect.stringContaining('it has 16000x16000 pixels')));
  expect(grownBytes).toBeLessThan(20_000_000);
});

test('four of the dearest images at once cost what one does', async () => {
  const path = join(folder, 'dearest.png');
  await sharp({ create: { width: 8_192, height: 6_144, channels: 4, background: { r: 1, g: 2, b: 3, alpha: 0.5 } } })
    .toColourspace('rgb16')
    .png({ progressive: true, compressionLevel: 1 })
    .toFile(path);
  const { outcomes, grownBytes } = await inspect(path, path, path, path);
  expect(outcomes).toEqual(Array.from({ length: 4 }, () => '8192x6144'));
  expect(grownBytes).toBeLessThan(700_000_000);
});

test('a progressive JPEG leaves nothing in memory for the next', async () => {
  const path = join(folder, 'progressive.jpg');
  await sharp({ create: { width: 4_096, height: 4_096, channels: 3, background: 'red' } })
    .jpeg({ progressive: true, chromaSubsampling: '4:4:4' })
    .toFile(path);
  const { grownBytes } = await inspect(...Array.from({ length: 16 }, () => path));
  expect(grownBytes).toBeLessThan(700_000_000);
});
