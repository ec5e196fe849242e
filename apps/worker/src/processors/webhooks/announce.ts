// From the outbox to the queue: makes a delivery of each event a webhook wants, and queues what has become due. Runs on
// every worker; a crash at any line leaves the event in the outbox or the delivery in Redis, for whoever comes next.
import type { LinkMaker } from '@darkroom/shared/jobs/public-job.ts';
import type { WebhookItem } from '@darkroom/shared/queues/webhook-queue.ts';
import { parseOutboxLine } from '@darkroom/shared/webhooks/event.ts';
import {
  admitDue,
  createDelivery,
  dropEvent,
  dueReceivers,
  type OutboxLine,
  takeOutbox,
} from '@darkroom/shared/webhooks/steps.ts';
import type { Deps } from '../../deps.ts';
import { readLinkMaker } from '../../links.ts';
import { readEvent } from './event-source.ts';

/** Events taken at a time, as many for each host; few enough that what comes later is not held up. */
const LINES_A_ROUND = 32;
/** How long others leave the lines alone. */
const LEASE_MS = 5_000;
const HOSTS_A_ROUND = 100;

export type AnnounceDeps = Pick<Deps, 'redis' | 'keys' | 'config' | 'log' | 'webhooks'>;

/** One round; true when there may be more to do at once. */
export async function announceOnce(deps: AnnounceDeps): Promise<boolean> {
  const lines = await takeOutbox(deps.webhooks.steps, LINES_A_ROUND, LEASE_MS);
  if (lines.length > 0) {
    const linkOf = await readLinkMaker(deps.redis, deps.keys, deps.config);
    const items = await Promise.all(lines.map((line) => announceLine(deps, line, linkOf)));
    await deps.webhooks.queue.add(items.flat());
  }
  const hosts = await dueReceivers(deps.webhooks.steps, Date.now(), HOSTS_A_ROUND);
  const due = await Promise.all(hosts.map((host) => admitDue(deps.webhooks.steps, host)));
  await deps.webhooks.queue.add(due.flat());
  return lines.length >= LINES_A_ROUND || hosts.length === HOSTS_A_ROUND;
}

/** Items to queue. What can't be announced now (an error, an event of a newer version) comes again after its lease. */
async function announceLine(deps: AnnounceDeps, from: OutboxLine, linkOf: LinkMaker): Promise<WebhookItem[]> {
  const { steps } = deps.webhooks;
  const event = parseOutboxLine(from.line);
  if (event === null) {
    deps.log.error(from, 'a line of the outbox that this version cannot read is left for another');
    return [];
  }
  try {
    const announced = await readEvent(deps, event, linkOf, Date.now());
    if (announced !== null) return await createDelivery(steps, { ...event, ...announced }, from);
    await dropEvent(steps, from);
    deps.log.warn({ eventId: event.id, type: event.type }, 'an event was not announced: what it is about is gone');
  } catch (error) {
    deps.log.error({ err: error, eventId: event.id }, 'an event could not be announced; again soon');
  }
  return [];
}
