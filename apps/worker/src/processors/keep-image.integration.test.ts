// Two workers with an answer each for the same image: one was frozen between its look and its put.
import { createHash } from 'node:crypto';
import { provenanceKey } from '@darkroom/shared/images/keys.ts';
import { finishAttempt } from '@darkroom/shared/jobs/attempt-steps.ts';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Deps } from '../deps.ts';
import { holdPuts } from '../testing/held-store.ts';
import { openSpoolBench, PIXEL, type SpoolBench } from '../testing/spool-bench.ts';
import { type Kept, storeImage } from './keep-image.ts';

/** A PNG of four pixels. */
const RED = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAE0lEQVQImWP4z8DwnwGM/zMwAAAf7gP9qS/A4gAAAABJRU5ErkJggg==',
  'base64',
);

let bench: SpoolBench;
let one: Deps;

beforeEach(async () => {
  bench = await openSpoolBench();
  one = await bench.host('host-1');
});
afterEach(() => bench.close());

function rowOf(kept: Kept) {
  if (kept.kind !== 'kept') throw new Error(`the image is ${kept.kind}`);
  return kept.row;
}

test('a put that arrives after the record of a newer answer replaces nothing, and is told what is there', async () => {
  const first = await bench.send(one);
  const { store, held, letGo } = holdPuts(one.store);
  const record = await bench.job(first);
  const late = storeImage(
    { ...one, store },
    record,
    { ...first, requestId: 'req_a', costMicroUsd: 1 },
    imageOf(PIXEL, 'late'),
  );
  await held;

  const second = await bench.sendAgain(one, first);
  const facts = { requestId: 'req_b', costMicroUsd: 2 };
  const recorded = rowOf(await storeImage(one, record, { ...facts, ...second }, imageOf(RED, 'newer')));
  const finish = { outcome: 'succeeded', count: '', isFinal: false, error: null } as const;
  await finishAttempt(one.steps, { ...second, ...finish, facts, images: [recorded], callImages: [0] });

  letGo();
  expect(rowOf(await late)).toEqual({ ...recorded, revisedPrompt: null });
  const row = (await bench.job(first)).images.get(0);
  expect(row).toMatchObject({ width: 2, revisedPrompt: 'newer' });
  const stored = (await one.store.read(recorded.key)) ?? Buffer.alloc(0);
  expect(createHash('sha256').update(stored).digest('hex')).toBe(row?.sha256);
  const provenance = JSON.parse(Buffer.from((await one.store.read(provenanceKey(recorded.key))) ?? []).toString());
  expect(provenance).toMatchObject({
    attempt: '2',
    upstream_request_id: 'req_b',
    call_cost_usd: '0.000002',
    image: { width: 2 },
  });
  expect((await one.store.head(recorded.key))?.metadata).toMatchObject({
    'upstream-request-id': 'req_b',
    call: '0',
    attempt: '2',
  });
});

function imageOf(bytes: Uint8Array, revisedPrompt: string) {
  return { index: 0, revisedPrompt, bytes };
}
