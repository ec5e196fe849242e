// The shapes of the lane routes, for the OpenAPI document. They describe; what makes these shapes is in public-lane.ts.
import * as z from 'zod';

const rate = z
  .object({
    limit: z.number().describe('A minute: the least of what is told and learned.'),
    source: z
      .enum(['told', 'learned', 'guessed'])
      .describe('LIMITS; what the upstream has said; or what it let through before a 429 that named no limit.'),
    available: z.int().min(0).describe('What could start at once; 0 while the limit is stopped.'),
  })
  .nullable()
  .describe('null: no such limit is known.');

const limit = z.object({
  name: z.string().describe('A model, a family, or a limit the upstream has named.'),
  images_per_minute: rate,
  requests_per_minute: rate,
  tokens_per_minute: rate,
  concurrency: z
    .object({
      limit: z.int().nullable().describe('Told calls under way, all workers together.'),
      in_use: z.int().min(0),
      lowered_to: z
        .int()
        .nullable()
        .describe('For now, after `slow_down`; doubles every 30 s until it no longer binds.'),
    })
    .nullable()
    .describe('null: none is told and none is lowered.'),
  stopped_until: z.int().nullable().describe('A 429 said so. Unix time in seconds.'),
});

const upstreamKey = z.object({
  name: z.string(),
  host: z.string().nullable().describe('Of its base URL; null when no worker has said.'),
  paused: z
    .object({
      since: z.int(),
      next_probe_at: z.int().describe('When a waiting call is tried again.'),
      probing: z.boolean().describe('A call is under way that shows whether the key works again.'),
      error: z.object({
        status: z.int(),
        type: z.string(),
        code: z.string().nullable(),
        message: z.string(),
      }),
    })
    .nullable()
    .describe('The upstream has refused the key; why, and since when.'),
  limits: z.array(limit),
});

export const laneSchema = z
  .object({
    id: z.string().describe('A model of the rules, or `other` for all unknown ones.'),
    object: z.literal('lane'),
    family: z.string().nullable(),
    waiting: z.int().min(0).describe('Calls in line.'),
    delayed: z.int().min(0).describe('Calls that are made again after a while.'),
    active: z.int().min(0).describe('Calls taken up by workers.'),
    open_calls: z.int().min(0).describe('Calls without an outcome.'),
    open_calls_by_account: z.record(z.string(), z.int()).describe('The 100 accounts with most of them.'),
    started_per_minute: z
      .object({ calls: z.number(), images: z.number() })
      .describe('Sent upstream and not refused, measured over about the last minute.'),
    expected_wait_seconds: z
      .int()
      .nullable()
      .describe('Of a new call of normal priority; null when nothing is known of it.'),
    resting_until: z.int().nullable().describe('Workers take nothing from the lane until then. Unix time in seconds.'),
    upstream_keys: z.array(upstreamKey),
  })
  .meta({ id: 'Lane' });

export const laneListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(laneSchema),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'LaneList' });
