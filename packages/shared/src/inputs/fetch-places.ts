// How many URLs a process fetches at once: few for one account, so that slow servers of its choice hold up nobody else.
import { type Slot, Slots } from '../base/slots.ts';

const OF_ONE_ACCOUNT = 4;
/** Bodies go to disk, so this bounds sockets and disk space (50 MB each), not memory. */
const OF_ALL = 16;

export class FetchPlaces {
  readonly #all = new Slots(OF_ALL);
  readonly #accounts = new Map<string, { readonly slots: Slots; users: number }>();

  /** Rejects with the signal's reason when that aborts first. */
  async take(account: string, signal?: AbortSignal): Promise<Slot> {
    const own = this.#accounts.get(account) ?? { slots: new Slots(OF_ONE_ACCOUNT), users: 0 };
    this.#accounts.set(account, own);
    own.users += 1;
    const leave = (): void => {
      own.users -= 1;
      if (own.users === 0) this.#accounts.delete(account);
    };
    const taken: Slot[] = [];
    const free = (): void => {
      for (const slot of taken.splice(0)) slot.free();
    };
    try {
      taken.push(await own.slots.take(signal));
      taken.push(await this.#all.take(signal));
    } catch (error) {
      free();
      leave();
      throw error;
    }
    return {
      free: () => {
        if (taken.length === 0) return;
        free();
        leave();
      },
    };
  }
}
