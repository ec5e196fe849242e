// A caller that follows the account's event stream through everything: comes back with Last-Event-ID whenever the line
// breaks, and writes down each event it was told.
import { setTimeout as pause } from 'node:timers/promises';
import { type AccountName, apiKeyOf } from '../world/accounts.ts';
import type { HeardEvent } from './notes.ts';

export interface Follower {
  readonly account: AccountName;
  readonly heard: readonly HeardEvent[];
  /** How often the line broke. */
  readonly breaks: number;
  stop(): Promise<void>;
}

const COME_BACK_MS = 200;

export function startFollower(url: string, account: AccountName): Follower {
  const stopping = new AbortController();
  const heard: HeardEvent[] = [];
  let breaks = 0;
  let lastId = '';
  const read = async (): Promise<void> => {
    const reply = await fetch(`${url}/v1/events`, {
      headers: {
        authorization: `Bearer ${apiKeyOf(account)}`,
        ...(lastId === '' ? {} : { 'last-event-id': lastId }),
      },
      signal: stopping.signal,
    });
    if (reply.status >= 500) return; // an API that is on its way up or down
    if (!reply.ok) throw new Error(`the event stream answered ${reply.status}: ${await reply.text()}`);
    const decoder = new TextDecoder();
    let text = '';
    for await (const chunk of reply.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      const blocks = text.split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const id = /^id: ?(.*)$/m.exec(block)?.[1];
        if (id !== undefined) lastId = id;
        const data = /^data: ?(.*)$/m.exec(block)?.[1];
        // A stream begins with a snapshot, which is no event.
        if (data !== undefined && !block.includes('event: snapshot')) heard.push(toHeard(JSON.parse(data) as Told));
      }
    }
  };
  const follow = async (): Promise<void> => {
    while (!stopping.signal.aborted) {
      await read().catch((error: unknown) => {
        if (!(error instanceof TypeError) && !stopping.signal.aborted) throw error; // fetch's word for a broken line
      });
      breaks += 1;
      await pause(COME_BACK_MS);
    }
  };
  const following = follow();
  return {
    account,
    heard,
    get breaks() {
      return breaks;
    },
    async stop() {
      stopping.abort();
      await following;
    },
  };
}

/** An event's body, the same in streams and webhooks. */
export interface Told {
  readonly id: string;
  readonly type: string;
  readonly sequence: number;
  readonly data: {
    readonly id: string;
    readonly job_id?: string;
    readonly index?: number;
    readonly errors?: unknown;
  };
}

const ENDS = /^job\.(completed|incomplete|failed|cancelled|expired)$/;

export function toHeard({ id, type, sequence, data }: Told): HeardEvent {
  const end = ENDS.test(type) ? 'end' : null;
  const once = type === 'image.completed' ? `image ${data.index}` : end;
  return { id, type, sequence, subject: data.job_id ?? data.id, once, lost: end === null ? [] : lostOf(data.errors) };
}

function lostOf(errors: unknown): number[] {
  const list = errors as readonly { readonly code: string; readonly index: number }[];
  return list.filter(({ code }) => code === 'result_lost').map(({ index }) => index);
}
