import { request } from 'node:http';
import { expect, test } from 'vitest';
import { readBody } from './body.ts';
import { listen } from './listen.ts';
import { sendJson } from './reply.ts';

test('a body too large is 413; an upload broken off leaves the server well', async () => {
  let aborted = 0;
  const server = await listen(
    async (req, res) => {
      req.once('error', () => (aborted += 1));
      sendJson(res, 200, { bytes: (await readBody(req, 10)).length });
    },
    '127.0.0.1',
    0,
  );
  expect((await fetch(server.url, { method: 'POST', body: 'x'.repeat(11) })).status).toBe(413);
  const upload = request(server.url, { method: 'POST', headers: { 'content-length': 10 } });
  upload.once('error', () => undefined);
  upload.write('half', () => upload.destroy());
  await expect.poll(() => aborted).toBe(1);
  expect(await (await fetch(server.url, { method: 'POST', body: 'whole' })).json()).toEqual({ bytes: 5 });
  await server.close();
});

test('a port in use is an error, not silence', async () => {
  const first = await listen(async (_req, res) => sendJson(res, 200, {}), '127.0.0.1', 0);
  await expect(listen(async (_req, res) => sendJson(res, 200, {}), '127.0.0.1', first.port)).rejects.toThrow(
    'EADDRINUSE',
  );
  await first.close();
});
