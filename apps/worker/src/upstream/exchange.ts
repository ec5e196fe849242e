// One HTTP exchange over undici, never repeated, no redirect followed, and what is known of it when it fails: whether the
// request has left this process, and whether an answer began. undici is asked directly because fetch and the openai SDK
// copy each reply three times and take as long as all the rest of a small call (0.6 of 1.4 ms, undici 8.12, 2026-11).
import type { IncomingHttpHeaders } from 'node:http';
import type { Dispatcher } from 'undici';

export interface ExchangeRequest {
  readonly origin: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | Iterable<Uint8Array>;
  /**
   * From connecting to the last byte, ms. A reply that is coming when it is over may go on for as long again, and for as
   * long as it was held or this process stood still.
   */
  readonly timeoutMs: number;
  /** On the clock of `performance.now()`: a request that has not begun to go out by then never does. */
  readonly sendBefore: number;
}

/** A reply of which nothing has come for this long when its time is over is given up. */
const QUIET_MS = 1_000;

export interface ReplyHead {
  readonly status: number;
  get(header: string): string | null;
}

/** Takes the body of one reply. */
export interface Receiver {
  /**
   * A promise when enough has come for now: until it resolves nothing more is read than what a closing connection brings.
   * It never rejects.
   */
  write(chunk: Buffer): Promise<void> | null;
  /** No more will come. Called once. */
  end(): void;
}

/** Where the body of a reply goes. */
export type Receive<R extends Receiver> = (head: ReplyHead) => R;

export interface Reply<R> {
  readonly head: ReplyHead;
  readonly receiver: R;
  /** Why the body is not whole; null when it is. */
  readonly broken: Error | null;
}

export class Exchange<R extends Receiver> implements Dispatcher.DispatchHandler {
  /** Rejects when no answer came; a body that broke off is in the reply. */
  readonly reply: Promise<Reply<R>>;
  readonly #receive: Receive<R>;
  readonly #outcome = Promise.withResolvers<Reply<R>>();
  readonly #timeoutMs: number;
  readonly #sendBefore: number;
  readonly #startedAt = performance.now();
  #controller: Dispatcher.DispatchController | null = null;
  #head: ReplyHead | null = null;
  #receiver: R | null = null;
  /** Whether the receiver has enough for now. */
  #isHeld = false;
  /** How long it had: that was not the upstream's time. */
  #heldMs = 0;
  /** How late timers came, as this process stood still: that was not the upstream's time either. */
  #stoodStillMs = 0;
  #over: Error | 'whole' | null = null;
  #timer: NodeJS.Timeout | undefined;
  #isLate = false;
  /** How often something has come. */
  #signs = 0;

  constructor(dispatcher: Dispatcher, request: ExchangeRequest, receive: Receive<R>) {
    this.reply = this.#outcome.promise;
    this.#receive = receive;
    this.#timeoutMs = request.timeoutMs;
    this.#sendBefore = request.sendBefore;
    this.#lookLater(request.timeoutMs, 0);
    const { origin, path, headers } = request;
    // undici takes iterables, its types don't.
    const body = request.body as Uint8Array;
    dispatcher.dispatch({ origin, path, method: 'POST', headers: { ...headers }, body }, this);
  }

  /** Whether it began to go out. */
  get wasSent(): boolean {
    return this.#controller !== null;
  }

  /** Whether it did not go out because its time to be sent was over. */
  get wasLate(): boolean {
    return this.#isLate;
  }

  /** Whether an answer began to come. */
  get wasAnswered(): boolean {
    return this.#head !== null;
  }

  /** undici calls this when a connected socket is about to carry the request; aborted here, nothing is written. */
  onRequestStart(controller: Dispatcher.DispatchController): void {
    if (this.#over instanceof Error) return controller.abort(this.#over);
    this.#isLate = performance.now() >= this.#sendBefore;
    if (this.#isLate) return controller.abort(new DOMException('too late to be sent', 'TimeoutError'));
    this.#controller = controller;
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: IncomingHttpHeaders): void {
    if (status < 200) return;
    this.#signs += 1;
    this.#head = { status, get: (name) => headers[name]?.toString() ?? null };
    this.#receiver = this.#receive(this.#head);
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#signs += 1;
    const more = this.#receiver?.write(chunk) ?? null;
    if (more !== null && !this.#isHeld) void this.#hold(controller, more);
  }

  onResponseEnd(): void {
    this.#end('whole');
  }

  onResponseError(_: Dispatcher.DispatchController | null, error: Error): void {
    this.#end(error);
  }

  async #hold(controller: Dispatcher.DispatchController, more: Promise<void>): Promise<void> {
    const since = performance.now();
    this.#isHeld = true;
    controller.pause();
    await more;
    this.#isHeld = false;
    this.#heldMs += performance.now() - since;
    this.#signs += 1; // more is about to be read
    // Once it is over the connection may carry another reply.
    if (this.#over === null) controller.resume();
  }

  #lookLater(ms: number, before: number): void {
    const dueAt = performance.now() + ms;
    this.#timer = setTimeout(() => {
      this.#stoodStillMs += Math.max(0, performance.now() - dueAt);
      this.#lookForSigns(before);
    }, ms);
  }

  /**
   * The time is over. A reply may lie in the socket all the same: after a standstill of the process timers run before
   * sockets are read, and one that is held is not read either. It is paid, so it is not thrown away.
   */
  #lookForSigns(before: number): void {
    // Two turns of the event loop read what is there.
    setImmediate(() => {
      setImmediate(() => {
        if (this.#over !== null) return;
        if (!this.#isComing(before)) return this.#giveUp();
        this.#lookLater(QUIET_MS, this.#signs);
      });
    });
  }

  #isComing(before: number): boolean {
    if (this.#head === null) return false;
    const passedMs = performance.now() - this.#startedAt - this.#heldMs - this.#stoodStillMs;
    return this.#isHeld || (this.#signs > before && passedMs < 2 * this.#timeoutMs + QUIET_MS);
  }

  #giveUp(): void {
    const late = new DOMException('the upstream took too long', 'TimeoutError');
    this.#end(late);
    this.#controller?.abort(late);
  }

  #end(over: Error | 'whole'): void {
    if (this.#over !== null) return;
    this.#over = over;
    clearTimeout(this.#timer);
    const broken = over === 'whole' ? null : over;
    const [head, receiver] = [this.#head, this.#receiver];
    receiver?.end();
    if (head !== null && receiver !== null) this.#outcome.resolve({ head, receiver, broken });
    else this.#outcome.reject(broken ?? new Error('the upstream closed without an answer'));
  }
}
