// Content type and metadata of stored objects, made to mean the same in every kind of store: S3 carries them as HTTP
// headers, so names are lower case, values travel percent-encoded, and all of it together is small.

const CONTENT_TYPE = /^[\w.+-]{1,64}\/[\w.+-]{1,64}(?:; ?[\w-]{1,32}=[\w.+-]{1,64})?$/;

/** Throws TypeError for what is no media type, e.g. one that holds a line break. */
export function assertContentType(text: string): void {
  if (!CONTENT_TYPE.test(text)) throw new TypeError(`not a content type: ${JSON.stringify(text.slice(0, 200))}`);
}

/** S3 refuses more than 2 KB of names and values together; an image must not be refused for its metadata. */
const MAX_BYTES = 2_000;

/** The name under which a pair is kept: lower case, all but letters, digits and `-` turned into `-` (some proxies drop headers with `_`). */
export function toMetadataName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9-]/g, '-');
}

/** What of `given` is kept: pairs in their order until 2,000 bytes are full, the rest dropped. */
export function toMetadata(given: Readonly<Record<string, string>> = {}): Record<string, string> {
  const kept: Record<string, string> = {};
  let room = MAX_BYTES;
  for (const [name, value] of Object.entries(given)) {
    const plainName = toMetadataName(name);
    room -= plainName.length + encodeValue(value).length;
    if (room < 0) break;
    kept[plainName] = value.toWellFormed();
  }
  return kept;
}

/** Visible ASCII stays as it is; the rest, and `%`, is percent-encoded UTF-8. Lone surrogates become U+FFFD. */
export function encodeValue(value: string): string {
  return value.toWellFormed().replace(/[^!-$&-~]+/gu, encodeURIComponent);
}

/** Undoes `encodeValue`; a value someone else wrote, which does not decode, is given back as it is. */
export function decodeValue(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
