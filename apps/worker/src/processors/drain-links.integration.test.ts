// Answers of which one image is here and another behind a link, while the storage is away for longer than the link lives.
import { encodeAnswer, type SpooledAnswer } from '@darkroom/shared/images/spool-file.ts';
import { noteAnswer } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { SpooledAnswerRow } from '@darkroom/shared/jobs/record.ts';
import { type AnswerId, keepCopy, listSpooled, noteSpooled, readCopy } from '@darkroom/shared/jobs/spool-steps.ts';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Deps } from '../deps.ts';
import { type LinkHost, openSpoolBench, PIXEL, type SpoolBench, startLinkHost } from '../testing/spool-bench.ts';
import { drainLocal } from './drain-spool.ts';
import { HOST_PATIENCE_MS } from './spool-answer.ts';

const WAIT = { timeout: 12_000, interval: 20 };
const FACTS = { costMicroUsd: 7, requestId: 'req_1' };
let bench: SpoolBench;
let links: LinkHost;
let one: Deps;
let two: Deps;

beforeEach(async () => {
  bench = await openSpoolBench();
  links = await startLinkHost();
  one = await bench.host('host-1');
  two = await bench.host('host-2');
});
afterEach(async () => {
  await bench.close();
  await links.stop();
});

/** On host 1, as a worker leaves it that could neither store image 0 nor fetch image 1. */
async function spoolHalf(isCopied: boolean): Promise<AnswerId> {
  const id = await bench.send(one);
  const end = new Date(Date.now() + 600_000).toISOString();
  const waits = { links: [null, `${links.url}/1?se=${end}`], images: 2 };
  const images = [{ index: 0, revisedPrompt: null, bytes: PIXEL }];
  const file: SpooledAnswer = { ...id, answeredAt: Date.now(), about: { facts: FACTS, waits }, images };
  const row: SpooledAnswerRow = { ...waits, until: Date.now() + HOST_PATIENCE_MS, host: null };
  await noteAnswer(one.steps, id.jobId, 0, id.seq, FACTS, { row, owner: 'a worker that died', leaseMs: 1 });
  await one.spool.write(file);
  await noteSpooled(one.steps, id, FACTS, { ...row, host: one.spool.hostId });
  if (isCopied) expect(await keepCopy(one.steps, id, Buffer.concat(encodeAnswer(file)))).toBe(true);
  return id;
}

async function untilFileOf(deps: Deps, id: AnswerId, images: readonly number[]): Promise<void> {
  await vi.waitFor(async () => {
    const file = await deps.spool.read(id);
    expect(file?.images.map(({ index }) => index)).toEqual(images);
  }, WAIT);
}

async function untilLinksFollowed(id: AnswerId): Promise<void> {
  await vi.waitFor(async () => {
    expect((await bench.job(id)).attempts[0]?.spooled?.links).toEqual([null, null]);
  }, WAIT);
}

async function expectWhole(id: AnswerId): Promise<void> {
  await vi.waitFor(async () => expect((await bench.job(id)).status).toBe('completed'), WAIT);
  expect((await bench.job(id)).attempts).toMatchObject([{ outcome: 'succeeded', costMicroUsd: 7 }]);
  await vi.waitFor(async () => {
    expect([await one.spool.list(), await two.spool.list(), await listSpooled(one.steps, 10)]).toEqual([[], [], []]);
  }, WAIT);
  expect(await one.redis.hlen(one.keys.spoolCopies)).toBe(0);
}

test.each([false, true])(
  'the host that has the file follows the links into it (copy in Redis: %s)',
  async (isCopied) => {
    links.status = 503;
    await bench.takeStorageAway();
    const id = await spoolHalf(isCopied);
    one.breaker.trip('away');
    bench.drain(one);
    bench.drain(two);
    await vi.waitFor(() => expect(links.asked).toBeGreaterThan(1), WAIT);
    links.status = 200;
    await untilLinksFollowed(id);
    links.status = 404;
    await bench.bringStorageBack();
    await expectWhole(id);
  },
);

test('a copy made before the link was followed ends nothing: the rest is stored from the host that has it', async () => {
  await bench.takeStorageAway();
  const id = await spoolHalf(true);
  const before = await readCopy(one.steps, id);
  one.breaker.trip('away');
  const drainer = bench.drain(one);
  await untilLinksFollowed(id);
  await drainer.stop();
  links.status = 404;
  await one.redis.set(one.keys.spoolCopy(`${id.jobId} 0 ${id.seq}`), before ?? '');
  await bench.bringStorageBack();
  bench.drain(two);
  await vi.waitFor(async () => expect([...(await bench.job(id)).images.keys()]).toEqual([0]), WAIT);
  expect((await bench.job(id)).attempts[0]?.spooled).toMatchObject({ host: one.spool.hostId });
  bench.drain(one);
  await expectWhole(id);
});

test('with its host gone another takes the answer over from the copy; the first host’s file ends nothing', async () => {
  await bench.takeStorageAway();
  const id = await spoolHalf(true);
  two.breaker.trip('away');
  const drainer = bench.drain(two);
  await untilFileOf(two, id, [0, 1]);
  await untilLinksFollowed(id);
  await drainer.stop();
  links.status = 404;
  await one.redis.del(one.keys.spoolCopy(`${id.jobId} 0 ${id.seq}`));
  await bench.bringStorageBack();
  expect(await drainLocal(one, id)).toBe('elsewhere');
  expect(await bench.job(id)).toMatchObject({ status: 'in_progress', attempts: [{ outcome: null }] });
  bench.drain(two);
  await expectWhole(id);
});

test('a worker that stood still while a link was followed removes no more than it has stored', async () => {
  const id = await spoolHalf(false);
  const file = await one.spool.read(id);
  if (file === null) throw new Error('nothing was spooled');
  const later = { index: 1, revisedPrompt: null, bytes: PIXEL };
  const late: Deps = {
    ...one,
    // Right after it has read the file, another worker of the host writes it anew.
    spool: {
      ...one.spool,
      read: async (entry) => {
        const read = await one.spool.read(entry);
        await one.spool.write({ ...file, images: [...file.images, later] });
        return read;
      },
    },
  };
  expect(await drainLocal(late, id)).toBe('host');
  await untilFileOf(one, id, [0, 1]);
  links.status = 404;
  bench.drain(one);
  await expectWhole(id);
});

test('calls of a lane go on when a link is followed here, or when another has settled what they stopped for', async () => {
  const lane = (await bench.job(await bench.send(one))).spec.lane;
  const id = await spoolHalf(false);
  for (const { linkBreaker } of [one, two]) linkBreaker.failed(lane, id);
  links.status = 503;
  bench.drain(two);
  const drainer = bench.drain(one);
  await vi.waitFor(() => expect(links.asked).toBeGreaterThan(1), WAIT);
  expect([one.linkBreaker.isShut(lane), two.linkBreaker.isShut(lane)]).toEqual([true, true]);
  links.status = 200;
  await expectWhole(id);
  await vi.waitFor(
    () => expect([one.linkBreaker.isShut(lane), two.linkBreaker.isShut(lane)]).toEqual([false, false]),
    WAIT,
  );
  await drainer.stop();
});
