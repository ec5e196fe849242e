// The metrics of webhooks, registered by metrics.ts.
import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** Up to the 15 s a receiver has. */
const TRY_SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 20];

export function webhookMetrics(registers: Registry[]) {
  return {
    webhookDeliveries: new Counter({
      name: 'darkroom_webhook_deliveries_total',
      help: 'Tries of webhook deliveries: delivered, retry (again later), failed (it was the last) or gone (410).',
      labelNames: ['outcome'] as const,
      registers,
    }),
    webhookDeliveryDuration: new Histogram({
      name: 'darkroom_webhook_delivery_duration_seconds',
      help: "Time from sending a webhook to the end of its receiver's reply.",
      labelNames: ['outcome'] as const,
      buckets: TRY_SECONDS,
      registers,
    }),
  };
}

/** Events that wait to be made deliveries; more than a few for long: no worker runs. `read` must not reject. */
export function registerOutboxDepth(registry: Registry, read: () => Promise<number | null>): void {
  const gauge: Gauge = new Gauge({
    name: 'darkroom_webhook_outbox_depth_events',
    help: 'Events a webhook wants that no worker has made a delivery of yet.',
    registers: [registry],
    async collect() {
      const depth = await read();
      if (depth === null) gauge.remove();
      else gauge.set(depth);
    },
  });
}
