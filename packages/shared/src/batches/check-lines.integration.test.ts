import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDiskStore } from '../images/disk.ts';
import { fileKey } from '../images/keys.ts';
import type { ImageStore } from '../images/store.ts';
import type { Submission } from '../requests/submission.ts';
import { checkLines } from './check-lines.ts';
import { type InputLine, LONGEST_LINE_BYTES, readLines } from './lines.ts';

const KEY = fileKey('acme', 'file-01kb4xwqf7c0v3m8r5y2d9tz6n');
const START = { byte: 0, line: 0 };
let folder: string;
let store: ImageStore;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'darkroom-lines-'));
  store = await openDiskStore(folder);
});
afterAll(() => rm(folder, { recursive: true }));

const write = (text: string | Buffer) => store.put(KEY, Buffer.from(text), { contentType: 'application/jsonl' });

async function read(from = START): Promise<InputLine[]> {
  const lines: InputLine[] = [];
  for await (const line of readLines(store, KEY, from)) lines.push(line);
  return lines;
}

describe('lines', () => {
  const LONG = 'x'.repeat(LONGEST_LINE_BYTES + 70_000);

  test.each<[string, string, [number, string][]]>([
    [
      'with and without a last newline',
      'a\nb',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      'from another system',
      'a\r\nb\r\n',
      [
        [1, 'a'],
        [2, 'b'],
      ],
    ],
    [
      'with empty ones between, which count',
      'a\n\n  \nb\n',
      [
        [1, 'a'],
        [4, 'b'],
      ],
    ],
    [
      'with letters of several bytes',
      'ä漢😀\nb\n',
      [
        [1, 'ä漢😀'],
        [2, 'b'],
      ],
    ],
    ['of nothing', '', []],
  ])('%s', async (_, text, expected) => {
    await write(text);
    expect((await read()).map(({ number, text: line }) => [number, line])).toEqual(expected);
  });

  test('that are too long are named once, keep the count, and end', async () => {
    await write(`a\n${LONG}\nc\n${LONG}`);
    const lines = await read();
    expect(lines.map(({ number, damage }) => [number, damage])).toEqual([
      [1, null],
      [2, 'too_long'],
      [3, null],
      [4, 'too_long'],
    ]);
    expect(await read({ byte: lines[3]?.nextByte ?? 0, line: 4 })).toEqual([]);
  });

  test('go on from any of them as if nothing had happened', async () => {
    await write(`a\n${LONG}\n\nd ä\ne`);
    const all = await read();
    for (const [index, { nextByte, number }] of all.entries()) {
      expect(await read({ byte: nextByte, line: number })).toEqual(all.slice(index + 1));
    }
  });

  test('of an object that is gone are an error, never none', async () => {
    await store.delete(KEY);
    await expect(read()).rejects.toMatchObject({ code: 'not_found' });
  });
});

describe('checking', () => {
  const CONTEXT = {
    now: Date.parse('2026-11-22T12:00:00Z'),
    modelPolicy: 'translate' as const,
    defaultModel: 'gpt-image-2.6-flare',
    allowUnknownModels: false,
    variationPrompt: 'Vary it.',
  };
  const LOOK = {
    get store() {
      return store;
    },
    checkImages: async () => [],
  };
  const line = (id: string) =>
    JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/images/generations', body: { prompt: 'a cat' } });

  test('names the lines whose custom_id stands on an earlier one', async () => {
    await write([line('a'), line('b'), line('a'), line('c'), line('a')].join('\n'));
    expect(await checkLines(LOOK, KEY, null, CONTEXT)).toMatchObject({
      total: 5,
      invalid: 2,
      duplicates: [3, 5],
      isHopeless: false,
    });
  });

  test('refuses lines that are not UTF-8, whose prompts would be bought with other letters', async () => {
    await write(Buffer.concat([Buffer.from(`${line('a')}\n`), Buffer.from(`${line('Bär')}\n`, 'latin1')]));
    expect(await checkLines(LOOK, KEY, null, CONTEXT)).toMatchObject({
      total: 2,
      invalid: 1,
      problems: [{ line: 2, code: 'invalid_encoding', param: null }],
    });
    expect((await read()).map(({ text, damage }) => [text, damage])).toEqual([
      [line('a'), null],
      ['', 'not_utf8'],
    ]);
  });

  test('looks at the images of edits and variations by their references alone', async () => {
    const edit = (id: string, images: unknown) =>
      JSON.stringify({ custom_id: id, method: 'POST', url: '/v1/images/edits', body: { prompt: 'a hat', images } });
    const variation = JSON.stringify({
      custom_id: 'd',
      method: 'POST',
      url: '/v1/images/variations',
      body: { model: 'dall-e-2', images: [{ image_url: 'https://example.com/cat.png' }] },
    });
    const lines = [edit('a', [{ file_id: 'file-none' }]), edit('b', [{ file: 'x' }]), edit('c', undefined), variation];
    await write(lines.join('\n'));
    const seen: Submission[] = [];
    expect(await checkLines(LOOK, KEY, null, CONTEXT, (submission) => seen.push(submission))).toMatchObject({
      total: 4,
      invalid: 2,
      problems: [
        { line: 2, code: 'unknown_parameter', param: 'body.images[0].file' },
        { line: 2, code: 'invalid_value', param: 'body.images[0]' },
        { line: 3, code: 'missing_required_parameter', param: 'body.images' },
      ],
    });
    expect(seen.map(({ request }) => [request.operation, request.sentAs, request.references?.images.length])).toEqual([
      ['edit', 'edit', 1],
      ['variation', 'edit', 1],
    ]);
  });

  test('finds a file without requests hopeless', async () => {
    await write('\n\n');
    expect(await checkLines(LOOK, KEY, null, CONTEXT)).toMatchObject({ total: 0, isHopeless: true });
  });
});
