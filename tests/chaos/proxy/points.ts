// Where a proxy can stop the bytes, and who says so. A point is a fact about one message at the moment before it goes on
// (or right after: `sent`, `whole`); the watch answers whether it goes on.

export interface RedisPoint {
  /** `command`: not yet forwarded to the server · `answer`: the server has done it, the process does not know yet. */
  readonly kind: 'command' | 'answer';
  readonly link: 'redis';
  readonly process: string;
  /** Upper case. */
  readonly command: string;
  /** Of EVAL and EVALSHA: our step's file name without `.lua`, or what BullMQ's script is called in scripts.ts. */
  readonly step: string | null;
  /** What follows the command; of a script its keys and arguments. */
  readonly args: readonly string[];
  /** Of an answer, as it came. */
  readonly raw: string;
}

export interface HttpPoint {
  /**
   * `request`: its head is here, nothing was forwarded · `sent`: forwarded whole · `reply`: the reply's head is here ·
   * `half`: half of its body was forwarded · `whole`: forwarded whole.
   */
  readonly kind: 'request' | 'sent' | 'reply' | 'half' | 'whole';
  readonly link: 's3' | 'upstream' | 'front';
  readonly process: string;
  readonly method: string;
  readonly path: string;
  /** Of the reply; 0 before there is one. */
  readonly status: number;
  /** `x-request-id` of the reply; null before there is one. */
  readonly requestId: string | null;
}

export type Point = RedisPoint | HttpPoint;

/** `hold`: stops here, and that is all · `hit`: stops here, and this is what was waited for. */
export type Verdict = 'pass' | 'hold' | 'hit';

/** Asked by every proxy at every point. */
export type Watch = (point: Point) => boolean;
