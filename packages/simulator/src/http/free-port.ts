// Ports for servers that can't be asked which one they took.
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/** Below what systems give to outgoing connections, of which a busy test run has thousands; above 10080, which fetch refuses to ask. */
const [FIRST, BLOCK, BLOCKS] = [10_100, 50, 398];

/** What is left of our blocks. */
const ours: number[] = [];

/**
 * A port of loopback that is free now, given once. While this process lives no other that asks here is given it, or even looks
 * at it: a server that is killed finds its port as it was when it starts again.
 */
export async function findQuietPort(): Promise<number> {
  for (;;) {
    const port = ours.shift();
    if (port === undefined) ours.push(...(await claimBlock()));
    else if (await isFree(port)) return port;
  }
}

/** A process claims a block by listening at its first port as long as it lives. By lot: a port that stands in some file is not soon another's. */
async function claimBlock(): Promise<number[]> {
  const start = Math.floor(Math.random() * BLOCKS);
  for (let look = 0; look < BLOCKS; look += 1) {
    const first = FIRST + ((start + look) % BLOCKS) * BLOCK;
    const guard = await listenAt(first);
    if (guard === null) continue;
    guard.unref().on('connection', (socket) => socket.destroy());
    guard.on('error', () => undefined); // of a connection that it can't take
    return Array.from({ length: BLOCK - 1 }, (_, index) => first + 1 + index);
  }
  throw new Error(`each of the ${BLOCKS} blocks of ports from ${FIRST} on is taken`);
}

async function isFree(port: number): Promise<boolean> {
  const server = await listenAt(port);
  if (server === null) return false;
  server.close();
  await once(server, 'close');
  return true;
}

/** null when something else does. */
async function listenAt(port: number): Promise<Server | null> {
  const server = createServer().listen(port, '127.0.0.1');
  const isListening = await once(server, 'listening').then(
    () => true,
    () => false,
  );
  return isListening ? server : null;
}
