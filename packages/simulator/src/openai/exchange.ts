/** One image request from arrival to end: its ledger row, its reply, and how it ended. */
import type { ServerResponse } from 'node:http';
import { type Reply, sendReply } from '../http/send-reply.ts';
import { ApiError } from './api-error.ts';
import type { RequestOutcome, RequestRow } from './ledger.ts';
import { ORGANIZATION } from './rate-limit-replies.ts';

export class Exchange {
  readonly res: ServerResponse;
  readonly row: RequestRow;
  /** Rate-limit headers for any reply from now on. */
  limitHeaders: Record<string, string> = {};
  /** Set by the slow_body fault. */
  bytesPerSecond: number | null = null;
  readonly #closing: AbortSignal;

  constructor(res: ServerResponse, row: RequestRow, closing: AbortSignal) {
    this.res = res;
    this.row = row;
    this.#closing = closing;
  }

  /** The client hung up before it had its answer. */
  get clientGone(): boolean {
    return this.res.destroyed || this.res.socket === null || this.res.socket.destroyed;
  }

  /** Headers of every reply that comes from the API itself and not from its edge. */
  usualHeaders(): Record<string, string> {
    return {
      'content-type': 'application/json',
      'x-request-id': this.row.id,
      'openai-organization': ORGANIZATION,
      'openai-processing-ms': String(Date.now() - this.row.at),
      'openai-version': '2020-10-01',
      ...this.limitHeaders,
    };
  }

  async refuse(error: ApiError): Promise<void> {
    this.row.code = error.fields.code ?? null;
    const headers = { ...this.usualHeaders(), ...error.headers };
    await this.send({ status: error.status, headers, body: JSON.stringify(error.body) });
  }

  /** Sends and settles the outcome; `success` says whether a 2xx counts as an answer. */
  async send(reply: Reply, success = true): Promise<void> {
    const sent = await sendReply(this.res, reply, this.bytesPerSecond, this.#closing);
    this.end(sent ? outcomeOf(reply.status, success) : 'client_gone', reply.status);
  }

  /** Cuts the connection with a reset. */
  reset(): void {
    this.res.socket?.resetAndDestroy();
    this.end('reset', null);
  }

  end(outcome: RequestOutcome, status: number | null): void {
    this.row.outcome = outcome;
    this.row.status = status;
    this.row.endedAt = Date.now();
  }
}

function outcomeOf(status: number, success: boolean): RequestOutcome {
  if (status >= 200 && status < 300) return success ? 'answered' : 'failed';
  return status >= 500 ? 'failed' : 'rejected';
}
