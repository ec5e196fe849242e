// An ImagesResponse with its images as base64, read from storage while it is written: its length is known before its first
// byte, and no more than a piece of one image is ever in memory.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { ImageStore } from '@darkroom/shared/images/store.ts';
import type { ImageRow } from '@darkroom/shared/jobs/record.ts';

/** JSON as it stands, or an image to stand there as base64. */
type Part = string | ImageRow;

export interface Base64Body {
  readonly bytes: number;
  /** Read once; `onRead` is called for each piece taken. Throws ServiceError `result_lost` and StorageError, in the middle too. */
  stream(onRead: () => void): AsyncGenerator<Buffer, void, undefined>;
}

/** `rest`: the other fields of each image and of the reply. `images` in the order of the reply. */
export function buildBase64Body(
  store: ImageStore,
  { created, ...rest }: Readonly<Record<string, unknown>>,
  images: readonly { readonly row: ImageRow; readonly rest: Readonly<Record<string, unknown>> }[],
): Base64Body {
  const parts: readonly Part[] = [
    `{"created":${JSON.stringify(created)},"data":[`,
    ...images.flatMap(({ row, rest: fields }, index): Part[] => [
      `${index === 0 ? '' : ','}{"b64_json":"`,
      row,
      `"${membersOf(fields)}}`,
    ]),
    `]${membersOf(rest)}}`,
  ];
  return {
    bytes: parts.reduce((sum, part) => sum + lengthOf(part), 0),
    async *stream(onRead) {
      for (const part of parts) {
        for await (const piece of typeof part === 'string' ? [Buffer.from(part)] : base64Of(store, part)) {
          onRead();
          yield piece;
        }
      }
    },
  };
}

/** `,"a":1` of `{a: 1}`; nothing of no fields. */
function membersOf(fields: Readonly<Record<string, unknown>>): string {
  const inside = JSON.stringify(fields).slice(1, -1);
  return inside === '' ? '' : `,${inside}`;
}

function lengthOf(part: Part): number {
  return typeof part === 'string' ? Buffer.byteLength(part) : Math.ceil(part.bytes / 3) * 4;
}

async function* base64Of(store: ImageStore, row: ImageRow): AsyncGenerator<Buffer, void, undefined> {
  const found = await store.get(row.key);
  if (found === null || found.info.bytes !== row.bytes) {
    found?.body.destroy();
    throw resultLost(row);
  }
  let left: Uint8Array = Buffer.alloc(0);
  for await (const chunk of found.body as AsyncIterable<Uint8Array>) {
    const bytes = Buffer.concat([left, chunk]);
    const whole = bytes.length - (bytes.length % 3);
    left = bytes.subarray(whole);
    if (whole > 0) yield Buffer.from(bytes.toString('base64', 0, whole), 'latin1');
  }
  if (left.length > 0) yield Buffer.from(Buffer.from(left).toString('base64'), 'latin1');
}

/** Throws ServiceError `result_lost` when one of them is not there as recorded, StorageError when that can't be told. */
export async function assertStored(store: ImageStore, rows: readonly ImageRow[]): Promise<void> {
  const found = await Promise.all(rows.map(({ key }) => store.head(key)));
  for (const [index, row] of rows.entries()) if (found[index]?.bytes !== row.bytes) throw resultLost(row);
}

function resultLost({ index }: ImageRow): ServiceError {
  return new ServiceError('result_lost', `Image ${index} was made, but its bytes are no longer in storage.`);
}
