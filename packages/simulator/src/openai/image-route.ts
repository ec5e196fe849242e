/**
 * POST /v1/images/{generations,edits,variations}, in the order of the real service: edge and key, the model, the
 * parameters, admission (limits, moderation, billing), the work, the answer. Faults act at the point they stand for.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Matches } from '../faults/fault-book.ts';
import { booleanParam } from '../faults/params.ts';
import { BodyAborted, BodyTooLarge, readBody } from '../http/body.ts';
import { answerFault } from './answer-fault.ts';
import { ApiError } from './api-error.ts';
import { requireApiKey } from './authenticate.ts';
import { candidatesOf, checkEditImages, type EditImages } from './edit-images.ts';
import { Exchange } from './exchange.ts';
import { ADMISSION_KINDS, EDGE_KINDS, type FaultKind } from './fault-kinds.ts';
import { loadReferences } from './image-references.ts';
import type { ResolvedRequest } from './image-request.ts';
import { describePrompt } from './ledger.ts';
import { defaultModelIds, findModel, type Model, type Operation } from './models.ts';
import { gaugeHeaders, refusalOf } from './rate-limit-replies.ts';
import { type ImageBody, readImageBody } from './read-image-body.ts';
import { resolveRequest } from './resolve.ts';
import { dayOf } from './settings.ts';
import { estimateTokens } from './usage.ts';
import { requireModel, validateParameters } from './validate-request.ts';
import { doWork } from './work.ts';
import type { World } from './world.ts';

const MAX_BODY_BYTES = 512 * 1024 * 1024;
const EDGE: ReadonlySet<FaultKind> = new Set(EDGE_KINDS);
const ADMISSION: ReadonlySet<FaultKind> = new Set(ADMISSION_KINDS);

export async function handleImages(
  world: World,
  operation: Operation,
  req: IncomingMessage,
  res: ServerResponse,
): Promise<void> {
  const exchange = new Exchange(res, world.ledger.openRequest(operation, Date.now()), world.closing);
  world.traffic.enter();
  try {
    await serve(world, exchange, operation, req);
  } catch (error) {
    if (error instanceof BodyAborted) exchange.end('client_gone', null);
    else if (error instanceof BodyTooLarge) await exchange.refuse(tooLarge(error));
    else if (error instanceof ApiError) await exchange.refuse(error);
    else throw error;
  } finally {
    if (exchange.row.status === 429) world.traffic.count429();
    if (exchange.row.model !== null) world.traffic.leaveModel(exchange.row.model);
    world.traffic.leave();
  }
}

async function serve(world: World, exchange: Exchange, operation: Operation, req: IncomingMessage): Promise<void> {
  const bytes = await readBody(req, MAX_BODY_BYTES);
  if (operation === 'variation' && world.settings.reality === 'today') return sendEmpty404(exchange);
  exchange.row.key = requireApiKey(world.apiKeys, req.headers.authorization);
  const body = readImageBody(operation, req.headers['content-type'], bytes);
  const named = typeof body.fields.model === 'string' ? body.fields.model : defaultModelIds[operation];
  exchange.row.model = named;
  world.traffic.enterModel(named);
  const matches = matcher(named, operation, exchange.row.key);
  const edgeFault = world.faults.take(EDGE, matches);
  if (edgeFault !== null) return answerFault(exchange, edgeFault, named, 1);
  const request = await readRequest(world, operation, body);
  Object.assign(exchange.row, { n: request.n, ...describePrompt(request.prompt) });
  await admitAndWork(world, exchange, request, matches);
}

/** The variations route is gone: zero bytes, no content type, no request id, before any key is looked at. */
async function sendEmpty404(exchange: Exchange): Promise<void> {
  await exchange.send({ status: 404, headers: {}, body: '' });
}

async function readRequest(world: World, operation: Operation, body: ImageBody): Promise<ResolvedRequest> {
  const era = { reality: world.settings.reality, today: dayOf(world.settings) };
  const target = requireModel(body.fields, operation, era);
  const parameters = validateParameters(body.fields, target, operation, body.kind);
  const images = await readImages(world, operation, target.model, body);
  return resolveRequest({ ...parameters, ...images });
}

async function readImages(world: World, operation: Operation, model: Model, body: ImageBody): Promise<EditImages> {
  if (operation === 'generation') return { inputs: [], mask: null };
  const multipart = body.kind === 'multipart';
  const { images, mask } = multipart ? candidatesOf(body.files) : await loadReferences(body.fields, world.files);
  return checkEditImages(model, operation, images, mask, multipart ? 'image' : 'images');
}

async function admitAndWork(
  world: World,
  exchange: Exchange,
  request: ResolvedRequest,
  matches: Matches,
): Promise<void> {
  const fault = world.faults.take(ADMISSION, matches);
  if (fault !== null && !booleanParam(fault.params, 'billed', false)) {
    return answerFault(exchange, fault, request.requestedModel, request.n);
  }
  const weights = { images: request.n, requests: 1, tokens: estimateTokens(request) };
  const admission = world.limiter.admit(request.model, weights, Date.now());
  const { limitTelling } = world.settings;
  if (!admission.admitted) throw refusalOf(request.model, request.requestedModel, admission, limitTelling);
  if (limitTelling === 'headers') exchange.limitHeaders = gaugeHeaders(request.model, admission.gauges);
  await doWork(world, exchange, request, matches, fault);
}

/** A fault's `model` may be the id as sent, the model's id or its family; its `key` is the end of the API key. */
function matcher(named: string, operation: Operation, apiKey: string | null): Matches {
  const model = findModel(named);
  const names = new Set([named, model?.id, model?.family]);
  return (key, wanted) => {
    if (key === 'model') return names.has(wanted);
    return wanted === (key === 'key' ? apiKey : operation);
  };
}

function tooLarge(error: BodyTooLarge): ApiError {
  const message = `Request body is larger than ${error.maxBytes} bytes.`;
  return new ApiError(413, { message, type: 'invalid_request_error' });
}
