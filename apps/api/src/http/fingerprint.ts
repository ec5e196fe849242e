// What was asked, as a short name: the same for the same meaning. Idempotency keys are bound to it, and a client's own
// retry is known by it. Bodies themselves are not kept.
import { createHash, type Hash, hash as hashOf } from 'node:crypto';
import type { InputSet } from '@darkroom/shared/requests/inputs.ts';

/** Hashed when so much has come together: bodies may hold images of many MB. */
const PART_CHARACTERS = 65_536;

/** `route` and `body` make it; `files`: the SHA-256 of a form's images, in their roles. Hex. */
export function fingerprintOf(route: string, body: unknown, files: InputSet<string> | null = null): string {
  let hash = null as Hash | null;
  let part = `${route}\n`;
  const write = (text: string): void => {
    part += text;
    if (part.length < PART_CHARACTERS) return;
    hash = (hash ?? createHash('sha256')).update(part);
    part = '';
  };
  writeCanonical(body, write);
  if (files !== null) writeCanonical(files, write);
  return hash?.update(part).digest('hex') ?? hashOf('sha256', part);
}

/** JSON that is the same for the same meaning: keys sorted, fields that are null left out. */
export function canonicalJson(value: unknown): string {
  let json = '';
  writeCanonical(value, (text) => {
    json += text;
  });
  return json;
}

function writeCanonical(value: unknown, write: (text: string) => void): void {
  if (Array.isArray(value)) {
    write('[');
    for (const [index, item] of value.entries()) {
      if (index > 0) write(',');
      writeCanonical(item, write);
    }
    write(']');
  } else if (typeof value === 'object' && value !== null) {
    writeFields(value, write);
  } else {
    write(JSON.stringify(value ?? null));
  }
}

function writeFields(fields: object, write: (text: string) => void): void {
  let before = '{';
  for (const [name, field] of Object.entries(fields).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (field === null || field === undefined) continue;
    write(`${before}${JSON.stringify(name)}:`);
    writeCanonical(field, write);
    before = ',';
  }
  write(before === '{' ? '{}' : '}');
}
