// Prometheus scrape.
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { reportLanes } from '../http/report-lanes.ts';
import { metricsOperation } from '../openapi/service-operations.ts';

export function registerMetrics(app: App, deps: Pick<Deps, 'redis' | 'keys' | 'metrics' | 'logger'>): void {
  const { registry } = deps.metrics;
  app.get('/metrics', { config: { access: 'metrics', operation: metricsOperation } }, async (_request, reply) => {
    await reportLanes(deps);
    void reply.type(registry.contentType);
    return registry.metrics();
  });
}
