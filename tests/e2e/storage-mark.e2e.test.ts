// A disk that is not mounted any more: an empty folder where the image storage was is not an empty storage.
import { mkdir, readdir, rename, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expectImagesToBeWhole } from '../support/images.ts';
import { startTestStack, type TestStack } from '../support/stack.ts';
import { until } from '../support/until.ts';

let stack: TestStack;
beforeAll(async () => {
  stack = await startTestStack();
});
afterAll(() => stack.stop());

interface Waiting {
  readonly expected_wait_seconds: number | null;
}

test('an empty folder under a running worker: nothing is sent, written or lost; with the disk back all goes on', async () => {
  const sent = async (): Promise<number> => (await stack.simulator.ledger()).requests.length;
  const read = async (id: string) => (await stack.api.request('GET', `/v1/jobs/${id}`)).json as Waiting;
  const images = join(stack.directory, 'images');
  const before = await stack.api.run();
  await stack.simulator.fault('latency', { count: 1, params: { ms: 300 } });
  const underWay = await stack.api.submit({ n: 2 });
  await until('its call is upstream', async () => (await sent()) === 2);
  await rename(images, `${images}.away`);
  await mkdir(images);
  await stack.worker.line(/"reason":"The image storage is not the one used so far: it has no darkroom\.json/);
  const waiting = await stack.api.submit({ model: 'gpt-image-2' });
  const ready = await until('readyz says it', async () => {
    const reply = await stack.api.request('GET', '/readyz');
    return reply.status === 503 ? reply : null;
  });
  expect(ready.text).toContain('no darkroom.json');
  // Its images are there, only not to be had: that is no 404.
  expect((await fetch(before.images[0]?.url ?? '')).status).toBe(503);
  expect(await stack.api.job(underWay.id)).toMatchObject({ status: 'in_progress', images: [] });
  await until('nobody knows when', async () => (await read(waiting.id)).expected_wait_seconds === null);
  expect(await read(waiting.id)).toMatchObject({ status: 'queued', queue_position: 0 });
  expect([await sent(), await readdir(images)]).toEqual([2, []]);

  await rmdir(images);
  await rename(`${images}.away`, images);
  for (const { id } of [underWay, waiting]) {
    const job = await stack.api.ended(id);
    expect(job).toMatchObject({ status: 'completed', usage: { possible_extra_cost_usd: 0 } });
    await expectImagesToBeWhole(stack, job);
  }
  expect(await sent()).toBe(3);
});
