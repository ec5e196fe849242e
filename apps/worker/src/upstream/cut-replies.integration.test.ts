// Replies that break off, however a connection can do that: what had come whole is an answer.
import type { Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, test } from 'vitest';
import { rawReply, startRawUpstream } from '../testing/raw-upstream.ts';
import { openUpstream, type UpstreamResult } from './client.ts';
import { prepareRequest } from './prepare-request.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const thing of open.splice(0).toReversed()) await thing.close();
});

const HEADERS = { 'x-ratelimit-limit-input-images': '250' };
const USAGE = { input_tokens: 1, output_tokens: 2 };
/** Longer than a chunk; what is longer than the buffers of a connection would get lost with a reset. */
const IMAGES = [1, 2, 3, 4].map((fill) => Buffer.alloc(20_000, Buffer.from([fill, 1, 2, 3, 255])));
const LINKS = IMAGES.map((_, at) => `https://images.test/${at}.png?se=2027`);
const IN_BYTES = JSON.stringify({
  data: IMAGES.map((bytes) => ({ b64_json: bytes.toString('base64') })),
  usage: USAGE,
});
const IN_LINKS = JSON.stringify({ data: LINKS.map((url) => ({ url })), usage: USAGE });

type End = (socket: Socket, body: string, length: number) => void;

/** `length`: as much of the body as comes. */
const ENDS: readonly (readonly [string, End])[] = [
  [
    'with a reset',
    (socket, body, length) =>
      socket.write(cut(rawReply('200 OK', body, HEADERS), body, length), () => socket.resetAndDestroy()),
  ],
  ['with an end', (socket, body, length) => socket.end(cut(rawReply('200 OK', body, HEADERS), body, length))],
  [
    'with the end of a connection that was to end',
    (socket, body, length) =>
      socket.end(rawReply('200 OK', body.slice(0, length), { ...HEADERS, connection: 'close' }).replace(LENGTH, '')),
  ],
  [
    'between chunks',
    (socket, body, length) => socket.end(chunked(body.slice(0, length)).slice(0, -'0\r\n\r\n'.length)),
  ],
  ['as a gateway has it, in good order', (socket, body, length) => socket.end(chunked(body.slice(0, length)))],
  ['in silence', (socket, body, length) => void socket.write(cut(rawReply('200 OK', body, HEADERS), body, length))],
];

const LENGTH = /content-length: \d+\r\n/;

function cut(reply: string, body: string, length: number): string {
  return reply.slice(0, reply.length - body.length + length);
}

function chunked(body: string): string {
  const text = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  return rawReply('200 OK', text, { ...HEADERS, 'transfer-encoding': 'chunked' }).replace(LENGTH, '');
}

async function ask(answer: (socket: Socket) => void): Promise<UpstreamResult> {
  const server = await startRawUpstream(answer);
  const upstream = openUpstream({ apiKey: 'sk-test', baseUrl: server.url, callTimeoutMs: 600 });
  open.push(server, upstream);
  const inputs = { images: [], mask: null, markup: null };
  const body = { model: 'gpt-image-2', prompt: 'a cat' };
  const wire = prepareRequest(
    { operation: 'generation', body, images: 4, inputs },
    () => Buffer.alloc(0),
    () => undefined,
  );
  const result = await upstream.request(wire);
  expect(server.requests).toHaveLength(1);
  return result;
}

/** What was told of the images: all of it but the bytes. */
const TOLD = { status: 200, requestId: 'req_1', usage: null, isWhole: false, observation: { limits: { images: 250 } } };

function answerOf(result: UpstreamResult) {
  return result.kind === 'answered' ? result.answer : expect.fail(`the call was ${result.kind}`);
}

describe.each(ENDS)('a reply that breaks off %s', (_, end) => {
  test('in its fourth image brings three, in their order, with its request id and limits', async () => {
    const answer = answerOf(await ask((socket) => end(socket, IN_BYTES, Math.floor(IN_BYTES.length * 0.9))));
    expect(answer).toMatchObject(TOLD);
    const whole = answer.images.map((image, at) => image.kind === 'bytes' && IMAGES[at]?.equals(image.bytes));
    expect(whole).toEqual([true, true, true]);
  });

  test('in its second link brings one', async () => {
    const answer = answerOf(await ask((socket) => end(socket, IN_LINKS, IN_LINKS.indexOf('/1.png'))));
    expect(answer).toMatchObject({ ...TOLD, images: [{ kind: 'url', url: LINKS[0] }] });
  });

  test('after its last image brings all, at a price nobody told', async () => {
    const answer = answerOf(await ask((socket) => end(socket, IN_BYTES, IN_BYTES.indexOf('output_tokens'))));
    expect(answer).toMatchObject(TOLD);
    expect(answer.images).toHaveLength(4);
  });

  test('in its first image is unknown, under its request id', async () => {
    const result = await ask((socket) => end(socket, IN_BYTES, 5_000));
    expect(result).toMatchObject({
      kind: 'failed',
      error: { verdict: 'unknown', code: 'outcome_unknown', status: 502, requestId: 'req_1' },
    });
  });
});

test('a compressed reply that breaks off brings what can be read of it', async () => {
  const body = gzipSync(IN_BYTES, { level: 0 });
  const head = `HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: ${body.length}\r\nx-request-id: req_1\r\n\r\n`;
  const reply = Buffer.concat([Buffer.from(head), body.subarray(0, body.length * 0.9)]);
  const answer = answerOf(await ask((socket) => socket.end(reply)));
  expect(answer).toMatchObject({ requestId: 'req_1', usage: null, isWhole: false });
  expect(answer.images).toHaveLength(3);
});
