import { describe, expect, it } from 'vitest';
import { createMetrics } from './metrics.ts';

describe('createMetrics', () => {
  it('names every own metric darkroom_<thing>_<unit> with a help text', async () => {
    const { registry } = createMetrics({ readLaneDepths: async () => new Map(), readOutboxDepth: async () => 0 });
    const own = (await registry.getMetricsAsJSON()).filter(({ name }) => !/^(process|nodejs)_/.test(name));
    expect(own.length).toBeGreaterThan(14);
    for (const { name, help } of own) {
      expect(name).toMatch(
        /^darkroom_[a-z0-9_]+(_total|_seconds|_flight|_paused|_calls|_events|_open|_answers|_bytes|_per_minute|_available|_in_use)$/,
      );
      expect(help.length).toBeGreaterThan(10);
    }
  });

  it('has process metrics', async () => {
    expect(await createMetrics().registry.metrics()).toContain('process_cpu_user_seconds_total');
  });

  it('shares nothing between two of them', async () => {
    const [one, other] = [createMetrics(), createMetrics()];
    one.jobsEnded.inc({ status: 'completed' });
    expect(await one.registry.metrics()).toContain('darkroom_jobs_ended_total{status="completed"} 1');
    expect(await other.registry.metrics()).not.toContain('status="completed"');
  });

  it('asks for the depth of the lanes at each scrape', async () => {
    let depth = 1;
    const { registry } = createMetrics({ readLaneDepths: async () => new Map([['other', depth]]) });
    expect(await registry.metrics()).toContain('darkroom_lane_depth_calls{model="other"} 1');
    depth = 7;
    expect(await registry.metrics()).toContain('darkroom_lane_depth_calls{model="other"} 7');
  });

  it('leaves the depth of the outbox out while it cannot be read', async () => {
    let depth: number | null = 3;
    const { registry } = createMetrics({ readOutboxDepth: async () => depth });
    expect(await registry.metrics()).toContain('darkroom_webhook_outbox_depth_events 3');
    depth = null;
    expect(await registry.metrics()).not.toMatch(/^darkroom_webhook_outbox_depth_events /m);
  });
});
