// `null` in a request means "absent": the upstream refuses it for some fields, so it is removed before anything else.
import { isRecord } from './allowed.ts';

/** Objects in a request nest at most this deep; deeper ones are unknown fields and refused as they are. */
const DEEPEST = 3;

/** A copy without null members, those of nested objects included. */
export function withoutNulls(record: Readonly<Record<string, unknown>>, depth = 0): Record<string, unknown> {
  const kept: [name: string, value: unknown][] = [];
  for (const [name, value] of Object.entries(record)) {
    if (value === null || value === undefined) continue;
    kept.push([name, isRecord(value) && depth < DEEPEST ? withoutNulls(value, depth + 1) : value]);
  }
  return Object.fromEntries(kept);
}
