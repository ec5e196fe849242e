// What only the wire shows: which of the upstream's replies reached which worker whole (from then on an image may only be
// lost with the process that holds it), and which answers Redis was told to lie in a spool (from then on not even so).
import type { HttpPoint, Point, RedisPoint } from '../proxy/points.ts';

export interface DeliveredReply {
  readonly requestId: string;
  readonly process: string;
  /** Unix ms. */
  readonly at: number;
  readonly status: number;
}

export interface SpooledAnswer {
  readonly jobId: string;
  readonly call: number;
  /** Number of the attempt. */
  readonly seq: number;
  readonly process: string;
  /** Unix ms. */
  readonly at: number;
}

/** A link to an image that was asked for in vain. */
interface DeadLink {
  /** Unix ms. */
  readonly at: number;
  readonly status: number;
}

export class WireNotes {
  readonly deadLinks: DeadLink[] = [];
  readonly delivered: DeliveredReply[] = [];
  readonly spooled: SpooledAnswer[] = [];

  note(point: Point): void {
    if (point.link === 'redis') this.#noteSpooled(point);
    else if (point.link === 'upstream') this.#noteDelivered(point);
  }

  #noteDelivered({ kind, method, path, requestId, process, status }: HttpPoint): void {
    if (kind === 'reply' && method === 'GET' && path.startsWith('/private/') && status >= 400)
      this.deadLinks.push({ at: Date.now(), status });
    if (kind !== 'whole' || requestId === null || method !== 'POST') return;
    this.delivered.push({ requestId, process, at: Date.now(), status });
  }

  /** KEYS: job hash. ARGV: call, attempt, … */
  #noteSpooled(point: RedisPoint): void {
    const { kind, step, args, process } = point;
    if (kind !== 'answer' || step !== 'note-spooled' || !point.raw.includes('noted')) return;
    const [key = '', call = '', seq = ''] = args;
    this.spooled.push({
      jobId: key.split(':').at(-1) ?? '',
      call: Number(call),
      seq: Number(seq),
      process,
      at: Date.now(),
    });
  }
}
