// A provider that answers with links whatever format it is asked for, as some compatible ones do: passes everything on to
// the simulator and changes that one field on the way.
import { once } from 'node:events';
import { createServer, type IncomingMessage, request as openRequest, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface LinkProvider {
  readonly port: number;
  stop(): Promise<void>;
}

export async function startLinkProvider(simulatorPort: number): Promise<LinkProvider> {
  const server = createServer((request, reply) => {
    pass(simulatorPort, request, reply).catch(() => reply.socket?.resetAndDestroy());
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Rejects when either side breaks before the reply is through. */
async function pass(port: number, request: IncomingMessage, reply: ServerResponse): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = withLinks(request.headers['content-type'] ?? '', Buffer.concat(chunks));
  const { method = 'GET', url = '/' } = request;
  const { 'transfer-encoding': _, ...headers } = request.headers;
  const onward = openRequest({
    port,
    host: '127.0.0.1',
    method,
    path: url,
    headers: { ...headers, 'content-length': body.length },
    agent: false,
  });
  reply.once('close', () => onward.destroy());
  onward.end(body);
  const [answer] = (await once(onward, 'response')) as [IncomingMessage];
  reply.writeHead(answer.statusCode ?? 500, answer.headers);
  for await (const chunk of answer as AsyncIterable<Buffer>) reply.write(chunk);
  reply.end();
}

function withLinks(type: string, body: Buffer): Buffer {
  if (!type.startsWith('application/json')) return body;
  return Buffer.from(body.toString().replace('"response_format":"b64_json"', '"response_format":"url"'));
}
