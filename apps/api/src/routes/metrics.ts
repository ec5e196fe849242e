// Prometheus scrape.
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { metricsOperation } from '../openapi/service-operations.ts';

export function registerMetrics(app: App, { metrics }: Pick<Deps, 'metrics'>): void {
  app.get('/metrics', { config: { access: 'metrics', operation: metricsOperation } }, async (_request, reply) => {
    void reply.type(metrics.registry.contentType);
    return metrics.registry.metrics();
  });
}
