// For tests: an upstream on a raw socket, which can do what no HTTP framework lets a server do.
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';

export interface RawUpstream {
  readonly url: string;
  /** What it got, heads and bodies. */
  readonly requests: readonly string[];
  readonly server: Server;
  close(): void;
}

/** Answers each request's bytes with `answer`. */
export async function startRawUpstream(answer: (socket: Socket, request: string) => void): Promise<RawUpstream> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let text = '';
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      text += chunk.toString();
      const length = /content-length: (\d+)/i.exec(text)?.[1];
      const body = text.split('\r\n\r\n')[1];
      if (length === undefined || body === undefined || Buffer.byteLength(body) < Number(length)) return;
      requests.push(text);
      answer(socket, text);
      text = '';
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`,
    requests,
    server,
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
}

/** A reply with its length and a request id. */
export function rawReply(status: string, body: string, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({
    'content-type': 'application/json',
    'content-length': String(Buffer.byteLength(body)),
    'x-request-id': 'req_1',
    ...headers,
  });
  return `HTTP/1.1 ${status}\r\n${lines.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n${body}`;
}
