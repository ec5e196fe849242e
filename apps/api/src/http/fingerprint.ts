// What was asked, as a short name: the same for the same meaning. Idempotency keys are bound to it, and a client's own
// retry is known by it. Bodies themselves are not kept.
import { createHash } from 'node:crypto';
import type { InputSet } from '@darkroom/shared/requests/inputs.ts';

/** `route` and `body` make it; `files`: the SHA-256 of a form's images, in their roles. Hex. */
export function fingerprintOf(route: string, body: unknown, files: InputSet<string> | null = null): string {
  const hash = createHash('sha256').update(`${route}\n`);
  for (const part of canonicalParts(body)) hash.update(part);
  if (files !== null) for (const part of canonicalParts(files)) hash.update(part);
  return hash.digest('hex');
}

/** JSON that is the same for the same meaning: keys sorted, fields that are null left out. */
export function canonicalJson(value: unknown): string {
  return [...canonicalParts(value)].join('');
}

/** In parts, as a body may hold images of many MB. */
function* canonicalParts(value: unknown): Generator<string, void, undefined> {
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      yield index === 0 ? '[' : ',';
      yield* canonicalParts(item);
    }
    yield value.length === 0 ? '[]' : ']';
  } else if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value)
      .filter(([, field]) => field !== null && field !== undefined)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [index, [name, field]] of fields.entries()) {
      yield `${index === 0 ? '{' : ','}${JSON.stringify(name)}:`;
      yield* canonicalParts(field);
    }
    yield fields.length === 0 ? '{}' : '}';
  } else {
    yield JSON.stringify(value ?? null);
  }
}
