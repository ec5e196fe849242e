import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { completeJob, newestJob } from '../testing/finish-job.ts';
import { SHOP_KEY, startApi, type TestApi } from '../testing/start-api.ts';

const URL_OF_IMAGES = '/v1/images/generations';
const TEN = { model: 'gpt-image-2', prompt: 'ten cats', n: 10 };
const IMAGE_BYTES = 4_000_000;
const PATIENT = { timeout: 10_000 };
/** Of what is read: as garbage has to be collected for it, not at every chunk. */
const WEIGHED_EVERY_BYTES = 25_000_000;

let api: TestApi;
const image = randomBytes(IMAGE_BYTES);
let jobs = 0;
beforeAll(async () => {
  api = await startApi();
});
afterAll(() => api.close());

/** A completed job of ten images, to be asked for again by its key. */
async function tenImages(key: string): Promise<string> {
  await api.post(URL_OF_IMAGES, TEN, { 'idempotency-key': key, prefer: 'respond-async' });
  const id = await newestJob(api.deps, (jobs += 1));
  await completeJob(api.deps, id, image);
  return id;
}

const ask = (key: string, signal?: AbortSignal) =>
  fetch(`${api.url}${URL_OF_IMAGES}`, {
    method: 'POST',
    body: JSON.stringify(TEN),
    headers: { authorization: `Bearer ${SHOP_KEY}`, 'content-type': 'application/json', 'idempotency-key': key },
    ...(signal === undefined ? {} : { signal }),
  });

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** What is held, bytes: how far a process grows besides depends on when it collects its garbage. */
function held(): number {
  collectGarbage();
  collectGarbage(); // waits until buffers the first has found are given back
  const { arrayBuffers, heapUsed } = process.memoryUsage();
  return arrayBuffers + heapUsed;
}

/** Reads a reply to its end, keeping nothing. */
async function drain(reply: Response, onRead = (_bytes: number): void => undefined) {
  let bytes = 0;
  let tail = '';
  for await (const chunk of reply.body as unknown as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    onRead(chunk.length);
    tail = Buffer.from(chunk.subarray(-200)).toString();
  }
  return { bytes, tail };
}

describe('ten images of 4 MB as base64', () => {
  it('are whole, with a length known before', async () => {
    await tenImages('whole');
    const reply = await ask('whole');
    const text = await reply.text();
    expect(reply.headers.get('content-length')).toBe(String(Buffer.byteLength(text)));
    const { data } = JSON.parse(text) as { data: { b64_json: string }[] };
    expect(data).toHaveLength(10);
    for (const { b64_json } of data) expect(Buffer.from(b64_json, 'base64').equals(image)).toBe(true);
  });

  it('are written by ten replies at once in little memory', async () => {
    await tenImages('memory');
    const before = held();
    let peakBytes = 0;
    let unweighed = 0;
    const weigh = (bytes: number): void => {
      unweighed += bytes;
      if (unweighed < WEIGHED_EVERY_BYTES) return;
      unweighed = 0;
      peakBytes = Math.max(peakBytes, held() - before);
    };
    const replies = await Promise.all(Array.from({ length: 10 }, async () => drain(await ask('memory'), weigh)));
    for (const { bytes, tail } of replies) {
      expect(bytes).toBeGreaterThan(10 * (IMAGE_BYTES / 3) * 4);
      expect(tail).toMatch(/"}\],.*}$/);
    }
    // 530 MB went over the wire, and not even one image of each reply was held. 6 MB were measured.
    expect(peakBytes).toBeLessThan(10 * IMAGE_BYTES);
  });

  it('end in a broken connection when one of them is lost in the middle, and are asked for again', async () => {
    const id = await tenImages('broken');
    const { store } = api.deps;
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    await once(socket, 'connect');
    const body = JSON.stringify(TEN);
    const head = [
      `POST ${URL_OF_IMAGES} HTTP/1.1`,
      'host: x',
      `authorization: Bearer ${SHOP_KEY}`,
      'content-type: application/json',
      'idempotency-key: broken',
      `content-length: ${body.length}`,
    ];
    socket.pause();
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`);
    // Nothing is read, so the reply stands still in the first images.
    await once(socket, 'readable');
    await store.delete(`images/shop/${id}/9.png`);
    let bytes = 0;
    socket.on('error', () => undefined).on('data', (chunk: Buffer) => (bytes += chunk.length));
    await once(socket, 'close');
    expect(bytes).toBeGreaterThan(IMAGE_BYTES);
    expect(bytes).toBeLessThan(10 * (IMAGE_BYTES / 3) * 4);
    expect((await ask('broken')).status).toBe(502);
  });

  it('leave their places when clients leave', async () => {
    await tenImages('places');
    for (let round = 0; round < 3; round += 1) {
      const leaving = new AbortController();
      const replies = await Promise.all(Array.from({ length: 32 }, () => ask('places', leaving.signal)));
      leaving.abort();
      for (const reply of replies) await expect(drain(reply)).rejects.toThrow();
    }
    expect((await drain(await ask('places'))).bytes).toBeGreaterThan(IMAGE_BYTES);
  });

  it('wait for a place while too many are being written', async () => {
    await tenImages('queue');
    const leaving = new AbortController();
    const slow = await Promise.all(Array.from({ length: 32 }, () => ask('queue', leaving.signal)));
    const next = ask('queue');
    const first = await Promise.race([next.then(() => 'next'), api.ask('/livez').then(() => 'livez')]);
    expect(first).toBe('livez');
    leaving.abort();
    expect((await next).status).toBe(200);
    expect(slow).toHaveLength(32);
    await drain(await next);
  });

  it('are given up for a client that takes nothing for 30 s', { timeout: 60_000 }, async () => {
    await tenImages('idle');
    const closed = new Promise((resolve) => api.server.once('connection', (socket) => socket.once('close', resolve)));
    const socket = connect(Number(new URL(api.url).port), '127.0.0.1');
    await once(socket, 'connect');
    const body = JSON.stringify(TEN);
    socket.on('error', () => undefined).pause();
    const head = `POST ${URL_OF_IMAGES} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${SHOP_KEY}\r\ncontent-type: application/json`;
    socket.write(`${head}\r\nidempotency-key: idle\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
    const startedAt = performance.now();
    await closed;
    expect(performance.now() - startedAt).toBeGreaterThan(29_000);
    socket.destroy();
    await expect
      .poll(() => api.lines.filter((line) => line.includes('"status":499')).length, PATIENT)
      .toBeGreaterThan(0);
  });
});
