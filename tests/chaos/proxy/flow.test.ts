import type { Socket } from 'node:net';
import { PassThrough } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { Flow } from './flow.ts';

const COUNT = 200;

/** A flow, and all that arrived through it once it has ended. */
function open(delayMs: () => number): { flow: Flow; arrived: Promise<Buffer> } {
  const to = new PassThrough();
  return { flow: new Flow(to as unknown as Socket, delayMs), arrived: buffer(to) };
}

function keepBusyUntil(atMs: number): void {
  while (performance.now() < atMs);
}

test('what is written without delay does not overtake what is due but not yet sent', async () => {
  let delayMs = 2;
  const { flow, arrived } = open(() => delayMs);
  flow.write(Buffer.from('a'));
  keepBusyUntil(performance.now() + 10); // its timer is late
  delayMs = 0;
  flow.write(Buffer.from('b'));
  flow.end();
  expect(String(await arrived)).toBe('ab');
});

test.each([0, 1, 2, 3, 4])('what is written arrives in its order, whatever the delay changes to (%i)', async (seed) => {
  let delayMs = 0;
  const { flow, arrived } = open(() => delayMs);
  for (let index = 0; index < COUNT; index += 1) {
    delayMs = [0, 7.3, 3.9, 0.4, 12.8][(index * 7 + seed) % 5] ?? 0;
    flow.write(Buffer.of(index));
    if (index % 5 === seed) await new Promise(setImmediate);
  }
  flow.end();
  expect([...(await arrived)]).toEqual(Array.from({ length: COUNT }, (_, index) => index));
});

test('what is held goes on behind what was on its way before', async () => {
  const { flow, arrived } = open(() => 2);
  flow.write(Buffer.from('a'));
  flow.hold();
  flow.write(Buffer.from('b'));
  flow.release();
  flow.write(Buffer.from('c'));
  flow.end();
  expect(String(await arrived)).toBe('abc');
});
