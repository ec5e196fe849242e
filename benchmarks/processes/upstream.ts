// An upstream whose cost and time are known: every request is answered with the same picture, `delay-ms` after it
// came, or, with `together`, all at once as soon as that many wait.
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import { noisePng } from '../support/noise-png.ts';

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
  if (request.method === 'GET') return void response.writeHead(404).end(); // no list of models
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

server.listen(0, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
