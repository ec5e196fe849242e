// What the desk works with: opened once for a process, bounded for all its requests together.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import type { Slots } from '../base/slots.ts';
import type { ImageStore } from '../images/store.ts';
import type { GuardedAgent } from '../net/guard.ts';
import type { Aside } from './aside.ts';
import type { FetchPlaces } from './fetch-places.ts';

export interface DeskTools {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly store: ImageStore;
  readonly agent: GuardedAgent;
  readonly maxUploadBytes: number;
  readonly aside: Aside;
  readonly decoding: Slots;
  readonly fetches: FetchPlaces;
}
