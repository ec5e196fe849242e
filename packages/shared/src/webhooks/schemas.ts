// The shapes of the delivery routes, for the OpenAPI document. They describe; what makes these shapes is in delivery.ts.
import * as z from 'zod';
import { DELIVERY_STATES } from './delivery.ts';

export const webhookDeliverySchema = z
  .object({
    id: z.string().describe("The event's id: the `webhook-id` of each try."),
    object: z.literal('webhook_delivery'),
    type: z.string(),
    job_id: z.string().nullable(),
    batch_id: z.string().nullable().describe('Of events of a batch itself.'),
    url: z.string(),
    host: z.string(),
    state: z
      .enum(DELIVERY_STATES)
      .describe(
        '`pending`: a try is due or under way; `failed`: no tries are left; `gone`: the receiver answered 410.',
      ),
    created_at: z.int().describe('Unix time in seconds.'),
    next_attempt_at: z.int().nullable().describe('When the next try is due; a host that fails is tried later.'),
    attempt_count: z.int().min(0),
    attempts: z
      .array(
        z.object({
          at: z.int(),
          status: z.int().nullable().describe("The receiver's HTTP status; null when there was none."),
          error: z
            .string()
            .nullable()
            .describe(
              'Why there was no status: timeout, network, blocked, too_large, encoding, redirect, worker_lost, no_secret, receiver_away.',
            ),
          duration_ms: z.int().nullable(),
        }),
      )
      .describe('The newest tries, up to 50, oldest first.'),
  })
  .meta({ id: 'WebhookDelivery' });

export const webhookDeliveryListSchema = z
  .object({
    object: z.literal('list'),
    data: z.array(webhookDeliverySchema),
    first_id: z.string().nullable(),
    last_id: z.string().nullable(),
    has_more: z.boolean(),
  })
  .meta({ id: 'WebhookDeliveryList' });
