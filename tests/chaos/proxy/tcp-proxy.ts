// A TCP proxy on loopback that can be hurt: cut, frozen, slowed. Each connection has an inspector of its protocol, which
// passes the bytes on and may hold them back.
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { Flow } from './flow.ts';

export interface Inspector {
  fromClient(chunk: Buffer): void;
  fromServer(chunk: Buffer): void;
  /** Something was asked that is not answered. */
  readonly isBusy: boolean;
}

/** Where a connection leads. */
export interface Target {
  readonly name: string;
  readonly port: number;
}

export type Inspect = (toServer: Flow, toClient: Flow, target: Target) => Inspector;

export interface TcpProxy {
  readonly port: number;
  /** Connections with something under way. */
  readonly busy: number;
  /** Pieces that were held up by `slow` so far. */
  readonly delayed: number;
  /** Every connection breaks; new ones are taken. How many were busy. */
  cut(): number;
  /** Nothing moves, and connections stay open; `false` lets it move again. On how many something waits to move. */
  freeze(isFrozen: boolean): number;
  /** Each write takes this long. */
  slow(delayMs: number): void;
  /** What inspectors hold back goes on. */
  release(): void;
  stop(): Promise<void>;
}

interface Line {
  readonly client: Socket;
  readonly server: Socket;
  readonly flows: readonly Flow[];
  readonly inspector: Inspector;
}

/** `target` is asked for each new connection; null = it is refused. */
export async function startTcpProxy(target: () => Target | null, inspect: Inspect): Promise<TcpProxy> {
  const lines = new Set<Line>();
  let isFrozen = false;
  let delayMs = 0;
  let delayed = 0;
  const delay = (): number => {
    if (delayMs > 0) delayed += 1;
    return delayMs;
  };
  const server = createServer({ noDelay: true }, (client) => {
    const to = target();
    if (to === null) return void client.resetAndDestroy();
    const line = openLine(client, to, inspect, delay);
    lines.add(line);
    if (isFrozen) setFrozen(line, true);
    const close = (): void => {
      lines.delete(line);
      client.destroy();
      line.server.destroy();
    };
    for (const socket of [client, line.server]) socket.on('close', close).on('error', close);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const countBusy = (): number => [...lines].filter(({ inspector }) => inspector.isBusy).length;
  const cut = (): number => {
    const busy = countBusy();
    for (const { client, server: behind } of lines) {
      client.resetAndDestroy();
      behind.destroy();
    }
    return busy;
  };
  return {
    port: (server.address() as AddressInfo).port,
    get busy() {
      return countBusy();
    },
    get delayed() {
      return delayed;
    },
    cut,
    freeze(frozen) {
      isFrozen = frozen;
      const waiting = [...lines].filter(
        ({ client, server: behind }) => client.readableLength + behind.readableLength > 0,
      );
      for (const line of lines) setFrozen(line, frozen);
      return waiting.length;
    },
    slow(ms) {
      delayMs = ms;
    },
    release() {
      for (const { flows } of lines) for (const flow of flows) flow.release();
    },
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        cut();
      }),
  };
}

function openLine(client: Socket, target: Target, inspect: Inspect, delayMs: () => number): Line {
  const server = connect({ port: target.port, host: '127.0.0.1', noDelay: true });
  const [toServer, toClient] = [new Flow(server, delayMs), new Flow(client, delayMs)];
  const inspector = inspect(toServer, toClient, target);
  client.on('data', (chunk) => atOnce(server, () => inspector.fromClient(chunk))).on('end', () => toServer.end());
  server.on('data', (chunk) => atOnce(client, () => inspector.fromServer(chunk))).on('end', () => toClient.end());
  return { client, server, flows: [toServer, toClient], inspector };
}

/** A chunk is cut into messages, and they go on in one write again. */
function atOnce(to: Socket, pass: () => void): void {
  to.cork();
  pass();
  to.uncork();
}

function setFrozen({ client, server }: Line, isFrozen: boolean): void {
  for (const socket of [client, server]) {
    if (isFrozen) socket.pause();
    else socket.resume();
  }
}
