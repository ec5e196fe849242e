/**
 * The work of an admitted request: wait as long as an image takes, make and bill the images, answer. It runs to its
 * end, and is billed, even when the client leaves (resellers report that of the real service).
 */
import type { Fault, Matches } from '../faults/fault-book.ts';
import { booleanParam, numberParam, stringParam } from '../faults/params.ts';
import { pause } from '../http/pause.ts';
import { type Reply, sendTruncated } from '../http/send-reply.ts';
import { answerFault } from './answer-fault.ts';
import type { Exchange } from './exchange.ts';
import { type FaultKind, type ModifierKind, WORK_KINDS, type WorkKind } from './fault-kinds.ts';
import { moderationBlocked } from './fault-replies.ts';
import type { ResolvedRequest } from './image-request.ts';
import { latencyMs } from './latency.ts';
import type { LinkOptions } from './link-store.ts';
import { isLegacy } from './models.ts';
import { type Produced, produceAndBill, successBody } from './produce.ts';
import type { World } from './world.ts';

const WORK: ReadonlySet<FaultKind> = new Set(WORK_KINDS);

/** A request on its way through the work, with the faults that concern it. */
interface Job {
  world: World;
  exchange: Exchange;
  request: ResolvedRequest;
  link: LinkOptions;
}

/** `lateFault`: an error to answer after the work is done and billed, instead of the images. */
export async function doWork(
  world: World,
  exchange: Exchange,
  request: ResolvedRequest,
  matches: Matches,
  lateFault: Fault<FaultKind> | null,
): Promise<void> {
  const fault = lateFault ?? world.faults.take(WORK, matches);
  exchange.row.fault = fault?.kind ?? null;
  const modifier = (kind: ModifierKind) => world.faults.take(new Set<FaultKind>([kind]), matches)?.params ?? null;
  const slow = modifier('slow_body');
  const latency = modifier('latency');
  const dead = request.responseFormat === 'url' ? modifier('dead_link') : null;
  if (slow !== null) exchange.bytesPerSecond = numberParam(slow, 'bytesPerSecond', 64 * 1024);
  const natural = latencyMs(request, Math.random()) * world.settings.latencyScale;
  if (!(await pause(latency === null ? natural : numberParam(latency, 'ms', natural), world.closing))) return;
  const link = {
    ttlMs: numberParam(dead ?? {}, 'ttlMs', world.settings.linkTtlMs),
    deadStatus: dead === null ? null : numberParam(dead, 'status', 403),
  };
  const job = { world, exchange, request, link };
  const count = billedCount(fault, request.n);
  const produced = await produceAndBill(world, request, exchange.row, count);
  if (exchange.clientGone) return exchange.end('client_gone', null);
  if (fault === null) return exchange.send(success(job, produced));
  if (lateFault !== null) return answerFault(exchange, lateFault, request.requestedModel, request.n);
  await END_BY_KIND[fault.kind as WorkKind](job, fault.params, produced);
}

/** How many images are made and paid. Work is billed unless the fault says otherwise. */
function billedCount(fault: Fault<FaultKind> | null, n: number): number {
  if (fault?.kind === 'partial_data') return Math.max(0, Math.min(n - 1, numberParam(fault.params, 'images', n - 1)));
  const unbilledByDefault = fault?.kind === 'hang';
  return fault === null || booleanParam(fault.params, 'billed', !unbilledByDefault) ? n : 0;
}

function success({ world, exchange, request, link }: Job, produced: Produced) {
  const body = successBody(world, request, produced, Date.now(), link);
  return { status: 200, headers: exchange.usualHeaders(), body } satisfies Reply;
}

type End = (job: Job, params: Record<string, unknown>, produced: Produced) => Promise<void>;

const END_BY_KIND: Record<WorkKind, End> = {
  moderation_output: async ({ exchange, request }, params) => {
    const { requestedModel: model, n } = request;
    const facts = { requestId: exchange.row.id, model, n, legacy: isLegacy(request.model) };
    await exchange.refuse(moderationBlocked('output', params, facts));
  },
  hang: async ({ exchange, world }) => {
    await untilClosed(exchange, world.closing);
    exchange.end('hung', null);
  },
  reset_after_work: async ({ exchange }) => exchange.reset(),
  truncated_body: async (job, params, produced) => {
    const reply = success(job, produced);
    const whole = numberParam(params, 'images', Number.NaN);
    const bytes = Number.isNaN(whole) ? Math.floor(Buffer.byteLength(reply.body) / 2) : bytesOf(reply.body, whole);
    await sendTruncated(job.exchange.res, reply, bytes, booleanParam(params, 'stalls', false) ? 'stall' : 'cut');
    job.exchange.end('truncated', 200);
  },
  no_data: async ({ exchange, request }, params) => {
    const body = JSON.stringify(withoutImages(stringParam(params, 'shape', 'empty_list'), request.n));
    await exchange.send({ status: 200, headers: exchange.usualHeaders(), body }, false);
  },
  partial_data: async (job, _params, produced) => {
    await job.exchange.send(success(job, produced));
  },
};

/** How much of a body brings so many images whole: it ends half-way to the end of the next one, or of the body. */
function bytesOf(body: string, images: number): number {
  const ends = [...body.matchAll(/"(?:b64_json|url)":"[^"]*"/g)].map(({ 0: value, index }) => index + value.length);
  const half = ((ends[Math.min(images, ends.length) - 1] ?? 0) + (ends[images] ?? body.length)) / 2;
  return Buffer.byteLength(body.slice(0, half));
}

/** `empty_list`: no entries; `empty_entries`: entries without an image; `no_list`: no data at all. */
function withoutImages(shape: string, n: number): Record<string, unknown> {
  const created = Math.floor(Date.now() / 1000);
  if (shape === 'no_list') return { created };
  return { created, data: shape === 'empty_entries' ? Array.from({ length: n }, () => ({})) : [] };
}

async function untilClosed(exchange: Exchange, closing: AbortSignal): Promise<void> {
  await new Promise<void>((resolve) => {
    exchange.res.once('close', resolve);
    closing.addEventListener('abort', () => resolve(), { once: true });
  });
}
