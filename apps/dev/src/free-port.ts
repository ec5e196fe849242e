// A port for a server that can't be asked which one it took. packages/testing has its own: neither may know the other.
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what systems give to outgoing connections: of those a busy test run has thousands, and any may take a port. */
const [FIRST, COUNT] = [10_000, 20_000];

/** A port of loopback that is free now. */
export async function findQuietPort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    const server = createServer().listen(port, '127.0.0.1');
    const isFree = await Promise.race([
      once(server, 'listening').then(() => true),
      once(server, 'error').then(() => false),
    ]).catch(() => false);
    if (!isFree) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}
