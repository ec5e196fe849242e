// Tells the APIs that this worker finds the image storage away, for as long as it does: they promise no waiting times then.
// A note that a worker leaves behind when it dies ends by itself.
import type { Keys } from '@darkroom/shared/base/keys.ts';
import type { Redis } from 'ioredis';

const LIFE_MS = 10_000;
const SAY_EVERY_MS = 3_000;

export interface AwayNote {
  /** Until `takeBack`; another reason replaces the first. */
  say(reason: string): void;
  takeBack(): void;
  /** Says nothing any more; the note ends by itself. */
  stop(): void;
}

export function buildAwayNote(
  { redis, keys }: { readonly redis: Redis; readonly keys: Keys },
  onError: (error: unknown) => void,
): AwayNote {
  let said = '';
  let timer: NodeJS.Timeout | undefined;
  const write = (): void => {
    redis.set(keys.storageAway, said, 'PX', LIFE_MS).catch(onError);
  };
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  return {
    say(reason) {
      if (timer !== undefined && reason === said) return;
      said = reason;
      stop();
      timer = setInterval(write, SAY_EVERY_MS);
      write();
    },
    takeBack() {
      if (timer === undefined) return;
      stop();
      redis.del(keys.storageAway).catch(onError);
    },
    stop,
  };
}
