// Tells the proxies where to stop a process, and the schedule when one has stopped there. One trap is set at a time.
import type { Point, Verdict, Watch } from '../proxy/points.ts';

/** Asked at each point of the processes it is set for; may remember what it has seen. */
export type Trap = (point: Point) => Verdict;

export interface Caught {
  readonly process: string;
  readonly point: Point;
}

export class Traps {
  #set: {
    readonly trap: Trap;
    readonly mayCatch: (process: string) => boolean;
    readonly tell: (caught: Caught) => void;
  } | null = null;

  /** For the proxies: whether the bytes stop here. */
  readonly watch: Watch = (point) => {
    const set = this.#set;
    if (set === null || !set.mayCatch(point.process)) return false;
    const verdict = set.trap(point);
    if (verdict === 'hit') {
      this.#set = null;
      set.tell({ process: point.process, point });
    }
    return verdict !== 'pass';
  };

  /** Resolves with who was caught first; null when nobody was before `stop` fired. The trap is gone then. */
  next(trap: Trap, mayCatch: (process: string) => boolean, stop: AbortSignal): Promise<Caught | null> {
    return new Promise((resolve) => {
      const giveUp = (): void => {
        this.#set = null;
        resolve(null);
      };
      stop.addEventListener('abort', giveUp, { once: true });
      this.#set = {
        trap,
        mayCatch,
        tell(caught) {
          stop.removeEventListener('abort', giveUp);
          resolve(caught);
        },
      };
    });
  }
}
