// While the process stops, each reply ends its connection: a kept-alive one would hold the server open until it idles out.
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';

export function registerStopping(app: App, { stopping }: Pick<Deps, 'stopping'>): void {
  app.addHook('onSend', async (_request, reply) => {
    if (stopping.signal.aborted) reply.header('connection', 'close');
  });
}
