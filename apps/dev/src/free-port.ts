// Ports for servers that can't be asked which one they took.
import { once } from 'node:events';
import { createServer, type Server } from 'node:net';

/** Below what systems give to outgoing connections, of which a busy test run has thousands; above 10080, which fetch refuses to ask. */
const [FIRST, COUNT, BLOCK] = [10_100, 19_900, 50];

/** What is left of our blocks. */
const ours: number[] = [];

/**
 * A port of loopback that is free now, given once. No other process that asks here is given it, ever, or even looks at it while
 * this one lives: a server that is killed finds its port as it was when it starts again.
 */
export async function findQuietPort(): Promise<number> {
  for (;;) {
    const port = ours.shift();
    if (port === undefined) ours.push(...(await claimBlock()));
    else if (await isFree(port)) return port;
  }
}

/** A process claims a block by listening at its first port for as long as it lives. */
async function claimBlock(): Promise<number[]> {
  for (let first = FIRST; first < FIRST + COUNT; first += BLOCK) {
    const guard = await listenAt(first);
    if (guard === null) continue;
    guard.unref().on('connection', (socket) => socket.destroy());
    return Array.from({ length: BLOCK - 1 }, (_, index) => first + 1 + index);
  }
  throw new Error(`every block of ${BLOCK} ports from ${FIRST} to ${FIRST + COUNT - 1} is taken`);
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
