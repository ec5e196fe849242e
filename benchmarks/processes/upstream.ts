// An upstream whose cost and time are known: every generation is answered with the same picture, `delay-ms` after it
// came, or, with `together`, all at once as soon as that many wait.
import { randomBytes } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { crc32, deflateSync } from 'node:zlib';

const { values } = parseArgs({
  options: {
    side: { type: 'string', default: '1024' },
    'delay-ms': { type: 'string', default: '0' },
    together: { type: 'string', default: '1' },
  },
});

const body = Buffer.from(
  JSON.stringify({
    created: 1_795_340_334,
    data: [{ b64_json: noisePng(Number(values.side)).toString('base64') }],
    usage: {
      input_tokens: 10,
      output_tokens: 100,
      total_tokens: 110,
      input_tokens_details: { text_tokens: 10, image_tokens: 0 },
    },
  }),
);
const together = Number(values.together);
const waiting: ServerResponse[] = [];

const server = createServer((request, response) => {
  request.resume().once('end', () => {
    waiting.push(response);
    if (waiting.length >= together) setTimeout(answerAll, Number(values['delay-ms']), waiting.splice(0));
  });
});

function answerAll(responses: readonly ServerResponse[]): void {
  for (const response of responses) {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length }).end(body);
  }
}

/** A PNG of random colours, so that its size is that of its pixels: side × side × 3 bytes. */
function noisePng(side: number): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(side, 0);
  header.writeUInt32BE(side, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Buffer.concat(Array.from({ length: side }, () => Buffer.concat([Buffer.of(0), randomBytes(side * 3)])));
  const signature = Buffer.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  const pixels = deflateSync(rows, { level: 1 });
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const typed = Buffer.concat([Buffer.from(type, 'ascii'), data]);
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32BE(data.length, 0);
  numbers.writeUInt32BE(crc32(typed), 4);
  return Buffer.concat([numbers.subarray(0, 4), typed, numbers.subarray(4)]);
}

server.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
