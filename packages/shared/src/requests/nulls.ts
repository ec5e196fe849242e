// `null` in a request means "absent": the upstream refuses it for some fields, so it is removed before anything else.
import { isRecord } from './allowed.ts';

/** Objects in a request nest at most this deep; deeper ones are unknown fields and refused as they are. */
const DEEPEST = 3;

/** A copy without null members, those of nested objects included. */
export function withoutNulls(record: Readonly<Record<string, unknown>>, depth = 0): Record<string, unknown> {
  const kept = Object.entries(record).filter(([, value]) => value !== null && value !== undefined);
  return Object.fromEntries(
    kept.map(([name, value]) => [name, isRecord(value) && depth < DEEPEST ? withoutNulls(value, depth + 1) : value]),
  );
}
