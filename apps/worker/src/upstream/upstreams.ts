// One upstream for each key: its own credentials and address, and connections that no other key's trouble can hold up.
import type { UpstreamKey } from '../upstream-keys.ts';
import { openUpstream, type Upstream } from './client.ts';

export interface Upstreams {
  /** Throws TypeError for a name that is not configured. */
  of(upstreamKey: string): Upstream;
  close(): Promise<void>;
}

/** `callTimeoutMs`: the whole attempt, from connecting to the last byte. */
export function openUpstreams(keys: readonly UpstreamKey[], callTimeoutMs: number): Upstreams {
  const byName = new Map(
    keys.map(({ name, key, baseUrl }) => [name, openUpstream({ apiKey: key, baseUrl, callTimeoutMs })]),
  );
  return {
    of(upstreamKey) {
      const upstream = byName.get(upstreamKey);
      if (upstream === undefined) throw new TypeError(`there is no upstream key ${upstreamKey}`);
      return upstream;
    },
    async close() {
      await Promise.all([...byName.values()].map((upstream) => upstream.close()));
    },
  };
}
