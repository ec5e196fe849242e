// The log of webhook deliveries, and sending one again.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { isEventId } from '@darkroom/shared/base/ids.ts';
import { readDelivery, toPublicDelivery } from '@darkroom/shared/webhooks/delivery.ts';
import { listDeliveries } from '@darkroom/shared/webhooks/list.ts';
import { redeliver } from '@darkroom/shared/webhooks/steps.ts';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { DELIVERY_LIST_PARAMETERS, parseDeliveryQuery } from '../http/delivery-query.ts';
import { assertNothingAsked } from '../http/empty-request.ts';
import { toListReply } from '../http/list-reply.ts';
import { readQuery } from '../http/query.ts';
import { listDeliveriesOperation, redeliverOperation } from '../openapi/delivery-operations.ts';

export function registerWebhookDeliveries(app: App, { redis, keys }: Pick<Deps, 'redis' | 'keys'>): void {
  app.get(
    '/v1/webhook_deliveries',
    { config: { access: 'account', operation: listDeliveriesOperation } },
    async (request) => {
      const query = parseDeliveryQuery(readQuery(request, DELIVERY_LIST_PARAMETERS));
      if (query.after !== null) await assertListed(request.account, query.after);
      const page = await listDeliveries(redis, keys, request.account, query);
      const { deliveries, hasMore, cursor } = page;
      return toListReply(deliveries.map(toPublicDelivery), hasMore, cursor);
    },
  );

  app.post(
    '/v1/webhook_deliveries/:id/redeliver',
    { config: { access: 'account', operation: redeliverOperation } },
    async (request, reply) => {
      assertNothingAsked(request);
      const { id } = request.params as { id: string };
      if (!isEventId(id) || !(await redeliver(redis, keys, request.account, id))) throw noSuchDelivery(id);
      const record = await readDelivery(redis, keys, id);
      if (record === null) throw noSuchDelivery(id);
      void reply.code(202);
      return toPublicDelivery(record);
    },
  );

  /** A page can only go on after a delivery of this account. */
  async function assertListed(account: string, id: string): Promise<void> {
    if ((await redis.zscore(keys.accountDeliveries(account), id)) !== null) return;
    const message = `Invalid value for 'after': no delivery found with id '${id}'.`;
    throw new ServiceError('invalid_value', message, { param: 'after' });
  }
}

function noSuchDelivery(id: string): ServiceError {
  return new ServiceError('not_found', `No webhook delivery found with id '${id.slice(0, 64)}'.`, { param: 'id' });
}
