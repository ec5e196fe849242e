// An upstream that answers with links whatever is asked, as DALL-E did, and counts what is bought and downloaded. A link
// dies after `lifeMs`, as it says itself; `break` names what its next downloads answer instead.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
);

export interface UrlUpstream {
  readonly baseUrl: string;
  readonly bytes: Buffer;
  readonly bought: number;
  readonly downloads: number;
  /** How long a link lives. */
  lifeMs: number;
  break(...statuses: number[]): void;
  stop(): Promise<void>;
}

export async function startUrlUpstream(lifeMs: number): Promise<UrlUpstream> {
  let linkLifeMs = lifeMs;
  const made: number[] = [];
  const broken: number[] = [];
  let downloads = 0;
  const server = createServer((request, reply) => {
    const image = /^\/image\/(\d+)(?:\?|$)/.exec(request.url ?? '');
    if (image === null && request.method === 'GET') return void reply.writeHead(404).end(); // no list of models
    if (image === null) {
      const images = made.push(Date.now());
      const end = new Date(Date.now() + linkLifeMs).toISOString();
      const url = `http://${request.headers.host}/image/${images - 1}?se=${end}`;
      request.resume().on('end', () => reply.end(JSON.stringify({ created: 1, data: [{ url }] })));
      return;
    }
    downloads += 1;
    const isDead = Date.now() - (made[Number(image[1])] ?? 0) > linkLifeMs;
    const status = isDead ? 403 : (broken.shift() ?? 200);
    reply.writeHead(status, { 'content-type': 'image/png' }).end(status === 200 ? PNG : 'no');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    bytes: PNG,
    get bought() {
      return made.length;
    },
    get downloads() {
      return downloads;
    },
    get lifeMs() {
      return linkLifeMs;
    },
    set lifeMs(ms) {
      linkLifeMs = ms;
    },
    break: (...statuses) => void broken.push(...statuses),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
