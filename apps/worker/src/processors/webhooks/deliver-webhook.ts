// One try of one delivery: signs the kept body afresh, sends it through the guard, records what came of it. Safe to run
// again after a crash at any line: the receiver then sees the same event id twice.
import { FetchFailure, guardedFetch } from '@darkroom/shared/net/guarded-fetch.ts';
import type { WebhookItem } from '@darkroom/shared/queues/webhook-queue.ts';
import { type Judgement, judgeTry, parseRetryAfterMs, type TryResult } from '@darkroom/shared/webhooks/schedule.ts';
import { signatureHeaders } from '@darkroom/shared/webhooks/sign.ts';
import { beginTry, type DueTry, finishTry } from '@darkroom/shared/webhooks/steps.ts';
import type { Deps } from '../../deps.ts';

export type DeliverDeps = Pick<Deps, 'log' | 'metrics' | 'webhooks'>;

/** Enough to let a polite receiver finish its reply and keep the connection; nothing of it is looked at. */
const MOST_REPLY_BYTES = 4_096;

/** Does nothing when it is no longer this item's turn. */
export async function deliverWebhook(deps: DeliverDeps, item: WebhookItem): Promise<void> {
  const { steps, queue, scheduleMs } = deps.webhooks;
  const due = await beginTry(steps, item);
  if (due === null) return;
  const at = Date.now();
  const start = performance.now();
  const result = await send(deps, item.eventId, due, at);
  const ms = Math.round(performance.now() - start);
  const judged = judgeTry(result, due.failures, Math.random(), scheduleMs);
  const next = await finishTry(steps, item, { at, status: result.status, error: result.error, ms }, judged);
  report(deps, item.eventId, due, { result, judged, ms });
  await queue.add(next);
}

async function send({ webhooks, log }: DeliverDeps, eventId: string, due: DueTry, now: number): Promise<TryResult> {
  const secrets = webhooks.secrets.of(due.account);
  if (secrets === null) {
    log.error({ eventId, account: due.account }, 'this worker has no secret to sign with: set what the API has');
    return { status: null, error: 'no_secret', retryAfterMs: null };
  }
  const signed = signatureHeaders(secrets, {
    id: eventId,
    timestampSeconds: Math.floor(now / 1_000),
    body: due.body,
  });
  try {
    const reply = await guardedFetch(webhooks.agent, due.url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'user-agent': 'Darkroom-Webhooks/1', ...signed },
      body: due.body,
      maxBytes: MOST_REPLY_BYTES,
      onOverflow: 'truncate',
      timeoutMs: webhooks.timeoutMs,
    });
    const retryAfterMs = parseRetryAfterMs(reply.headers['retry-after'], Date.now());
    return { status: reply.status, error: null, retryAfterMs };
  } catch (error) {
    const isExpected = error instanceof FetchFailure;
    log[isExpected ? 'debug' : 'error']({ err: error, eventId, host: due.host }, 'webhook got no reply');
    return { status: null, error: isExpected ? error.kind : 'network', retryAfterMs: null };
  }
}

/** One line a try. The URL's path and query may hold a caller's token, so only the host is told. */
function report(
  { log, metrics }: DeliverDeps,
  eventId: string,
  due: DueTry,
  { result, judged, ms }: { readonly result: TryResult; readonly judged: Judgement; readonly ms: number },
): void {
  const { outcome, delayMs } = judged;
  metrics.webhookDeliveries.inc({ outcome });
  metrics.webhookDeliveryDuration.observe({ outcome }, ms / 1_000);
  const facts = { eventId, type: due.type, host: due.host, status: result.status, error: result.error, ms, outcome };
  if (outcome === 'delivered') log.info(facts, 'webhook tried');
  else
    log.warn(
      { ...facts, tries: due.failures + 1, ...(outcome === 'retry' ? { againInMs: delayMs } : {}) },
      'webhook tried',
    );
}
