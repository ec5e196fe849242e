// A webhook receiver of a test: what it was sent, told apart by event, and checked as a caller's own code would.
import { type Received, startReceiver } from '@darkroom/simulator/webhooks/receiver.ts';
import OpenAI from 'openai';

export interface HookEvent {
  readonly id: string;
  readonly object: 'event';
  readonly type: string;
  readonly created_at: number;
  readonly sequence: number;
  readonly data: Readonly<Record<string, unknown>> & { readonly id: string };
}

export interface Hooks {
  /** Where to send webhooks. */
  readonly url: string;
  /** How the next requests are answered; see the simulator's receiver. */
  behave(behaviour: Readonly<Record<string, unknown>>): Promise<void>;
  received(): Promise<readonly Received[]>;
  /** Every event received, each verified; an event that came twice is there once. Throws when two bodies share an id. */
  events(): Promise<ReadonlyMap<string, HookEvent>>;
  stop(): Promise<void>;
}

/** `secret`: what the service signs with. */
export async function startHooks(secret: string): Promise<Hooks> {
  const receiver = await startReceiver();
  const client = new OpenAI({ apiKey: 'none', webhookSecret: secret });
  const received = async (): Promise<readonly Received[]> => {
    const reply = await fetch(`${receiver.url}/_sim/received?since=0`);
    return ((await reply.json()) as { received: Received[] }).received;
  };
  return {
    url: `${receiver.url}/hooks`,
    received,
    async behave(behaviour) {
      await fetch(`${receiver.url}/_sim/behaviour`, { method: 'POST', body: JSON.stringify(behaviour) });
    },
    async events() {
      const bodies = new Map<string, string>();
      for (const { rawBody, headers } of await received()) {
        await client.webhooks.unwrap(rawBody, headers);
        const id = String(headers['webhook-id']);
        if ((bodies.get(id) ?? rawBody) !== rawBody) throw new Error(`two bodies under ${id}`);
        bodies.set(id, rawBody);
      }
      return new Map([...bodies].map(([id, body]) => [id, JSON.parse(body) as HookEvent]));
    },
    stop: () => receiver.close(),
  };
}
