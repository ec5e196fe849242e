// A port for a server that can't be asked which one it took. packages/testing has its own: neither may know the other.
import { once } from 'node:events';
import { createServer } from 'node:net';

/** Below what systems give to outgoing connections, of which a busy test run has thousands; above 10080, which fetch refuses to ask. */
const [FIRST, COUNT] = [10_100, 19_900];
/**
 * Each process goes through them from a place of its own, and gives none twice: between the look and its server's start another
 * could take one for free that was drawn by lot.
 */
let next = (process.pid * 997) % COUNT;

/** A port of loopback that is free now. */
export async function findQuietPort(): Promise<number> {
  for (;;) {
    const port = FIRST + next;
    next = (next + 1) % COUNT;
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
