/** All state of one running simulator, handed to every route. */
import type { FaultBook } from '../faults/fault-book.ts';
import type { FaultKind } from './fault-kinds.ts';
import type { FileStore } from './file-store.ts';
import type { Ledger } from './ledger.ts';
import type { LinkStore } from './link-store.ts';
import type { RateLimiter } from './rate-limiter.ts';
import type { Settings } from './settings.ts';
import type { Traffic } from './traffic.ts';

export interface World {
  settings: Settings;
  /** Accepted keys; null = any. */
  apiKeys: ReadonlySet<string> | null;
  faults: FaultBook<FaultKind>;
  ledger: Ledger;
  limiter: RateLimiter;
  traffic: Traffic;
  files: FileStore;
  links: LinkStore;
  /** Base of result links, known once the server listens. */
  publicUrl: string;
  /** Aborted when the simulator closes: ends every wait. */
  closing: AbortSignal;
}
