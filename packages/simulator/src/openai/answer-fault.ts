/** Answers a request with a fault of the edge or of admission. */
import type { Fault } from '../faults/fault-book.ts';
import { ApiError } from './api-error.ts';
import type { Exchange } from './exchange.ts';
import type { FaultKind } from './fault-kinds.ts';
import { type FaultedRequest, isReplyFault, replyToFault } from './fault-replies.ts';
import { findModel, isLegacy } from './models.ts';

export async function answerFault(
  exchange: Exchange,
  fault: Fault<FaultKind>,
  model: string,
  n: number,
): Promise<void> {
  exchange.row.fault = fault.kind;
  if (!isReplyFault(fault)) return exchange.reset();
  const known = findModel(model);
  const facts: FaultedRequest = { requestId: exchange.row.id, model, n, legacy: known !== null && isLegacy(known) };
  const reply = replyToFault(fault, facts);
  if (reply instanceof ApiError) return exchange.refuse(reply);
  const headers = reply.bare ? reply.headers : { ...exchange.usualHeaders(), ...reply.headers };
  await exchange.send({ ...reply, headers }, false);
}
