import { readFileSync } from 'node:fs';
import type { AddressInfo, Socket } from 'node:net';
import { Worker } from 'node:worker_threads';
import Fastify from 'fastify';
import { afterEach, describe, expect, it } from 'vitest';
import { watchClient } from './client.ts';

/** A client in a thread of its own: it hangs up when told to, and tells when it has. */
const CLIENT = `
  const { workerData: { port, flags, how } } = require('node:worker_threads');
  const socket = require('node:net').connect(port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.on('close', () => { Atomics.store(flags, 1, 1); Atomics.notify(flags, 1); });
  socket.write('POST / HTTP/1.1\\r\\nhost: x\\r\\ncontent-length: 0\\r\\n\\r\\n', () => {
    Atomics.wait(flags, 0, 0);
    socket[how]();
  });
`;

/** For a hang-up; longer would keep the process from ever ending, as nothing else runs meanwhile. */
const COMES_THROUGH_MS = 10_000;

/** Whether the hang-up has not come through yet, a moment after the client has made it. Of Linux alone. */
function isEstablished({ localPort = 0, remotePort = 0 }: Socket): boolean {
  const [ours, theirs] = [localPort, remotePort].map((port) => port.toString(16).toUpperCase().padStart(4, '0'));
  const line = new RegExp(`: \\w+:${ours} \\w+:${theirs} 01 `);
  return process.platform === 'linux' && line.test(readFileSync('/proc/net/tcp', 'utf8'));
}

let close: () => Promise<unknown> = async () => undefined;
afterEach(() => close());

describe('a client that leaves while the process stands still', () => {
  it.each(['destroy', 'resetAndDestroy'])('is not there any more when the process goes on (%s)', async (how) => {
    const flags = new Int32Array(new SharedArrayBuffer(8));
    const app = Fastify();
    const thrown = new Promise<unknown>((resolve) => {
      app.post('/', async (request, reply) => {
        const client = watchClient({ askers: { next: () => 'a' } } as never, request, reply);
        Atomics.store(flags, 0, 1);
        Atomics.notify(flags, 0);
        Atomics.wait(flags, 1, 0);
        const giveUpAt = performance.now() + COMES_THROUGH_MS;
        while (isEstablished(request.raw.socket) && performance.now() < giveUpAt);
        resolve(await client.assertThere().catch(() => client.gone.aborted));
        return reply.hijack();
      });
    });
    await app.listen({ host: '127.0.0.1', port: 0 });
    const { port } = app.server.address() as AddressInfo;
    const thread = new Worker(CLIENT, { eval: true, workerData: { port, flags, how } });
    close = () => Promise.all([app.close(), thread.terminate()]);
    expect(await thrown).toBe(true);
  });
});
