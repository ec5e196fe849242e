// A TCP line on loopback that can be made bad: slow, still, cut. Bytes keep their order, and whoever reads slowly is not
// written to faster, as on a real line.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface BadLine {
  readonly port: number;
  /** Each piece of at most 64 KB takes so long from now on. */
  slow(delayMs: number): void;
  /** Nothing moves, and connections stay open; `false` lets it move again. */
  freeze(isFrozen: boolean): void;
  /** Every connection breaks; new ones are taken. */
  cut(): void;
  stop(): Promise<void>;
}

export async function openBadLine(to: number): Promise<BadLine> {
  const sockets = new Set<Socket>();
  let delayMs = 0;
  let thaw = Promise.withResolvers<void>();
  thaw.resolve();
  const carry = async (from: Socket, target: Socket): Promise<void> => {
    for await (const piece of from) {
      await thaw.promise;
      if (delayMs > 0) await sleep(delayMs);
      if (target.destroyed) return;
      if (!target.write(piece)) await new Promise((resolve) => target.once('drain', resolve).once('close', resolve));
    }
    target.end();
  };
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const behind = connect({ port: to, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    for (const [from, target] of [
      [client, behind],
      [behind, client],
    ] as const) {
      sockets.add(from);
      from.once('close', () => sockets.delete(from)).on('error', () => target.destroy());
      carry(from, target).catch(() => target.destroy()); // the line is cut; the other end hears of it
    }
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const cut = (): void => {
    for (const socket of sockets) socket.resetAndDestroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    slow(ms) {
      delayMs = ms;
    },
    freeze(isFrozen) {
      thaw.resolve();
      if (isFrozen) thaw = Promise.withResolvers();
    },
    cut,
    stop: () =>
      new Promise((resolve) => {
        thaw.resolve();
        server.close(() => resolve());
        cut();
      }),
  };
}
