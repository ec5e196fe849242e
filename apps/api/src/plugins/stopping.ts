// While the process stops, each reply ends its connection: a kept-alive one would hold the server open until it idles out.
// Connections that never asked for anything (browsers open them ahead) are closed at once for the same reason.
import type { Socket } from 'node:net';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';

export function registerStopping(app: App, { stopping }: Pick<Deps, 'stopping'>): void {
  app.addHook('onSend', async (_request, reply) => {
    if (stopping.signal.aborted) reply.header('connection', 'close');
  });

  const unused = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    unused.add(socket);
    socket.once('close', () => unused.delete(socket));
  });
  app.server.on('request', ({ socket }) => unused.delete(socket));
  stopping.signal.addEventListener('abort', () => {
    for (const socket of unused) socket.destroy();
  });
}
