// The bytes of a base64 data URL (RFC 2397), decoded piece by piece and strictly: what is no base64 is refused, not
// skipped. The media type it names is not looked at.
import { LONGEST_IMAGE_URL } from '../requests/references.ts';
import { invalidImageUrl } from './problems.ts';

/** The media type and its parameters. */
const LONGEST_HEADER = 256;
/** Characters decoded at once; a multiple of 4. */
const PIECE = 1_048_576;

/** Throws ServiceError `invalid_image_url` before or while the bytes come. */
export async function* bytesOfDataUrl(param: string, dataUrl: string): AsyncGenerator<Uint8Array, void, undefined> {
  const start = startOf(param, dataUrl);
  if ((dataUrl.length - start) % 4 !== 0) throw notBase64(param);
  for (let at = start; at < dataUrl.length; at += PIECE) {
    const piece = dataUrl.slice(at, at + PIECE);
    const isLast = at + PIECE >= dataUrl.length;
    if (!(isLast ? /^[A-Za-z0-9+/]*={0,2}$/ : /^[A-Za-z0-9+/]*$/).test(piece)) throw notBase64(param);
    yield Buffer.from(piece, 'base64');
  }
}

/** Where the base64 begins. */
function startOf(param: string, dataUrl: string): number {
  if (dataUrl.length > LONGEST_IMAGE_URL) {
    throw invalidImageUrl(param, `the data URL is longer than ${LONGEST_IMAGE_URL} characters`);
  }
  const header = /^data:[^,]*;base64,/i.exec(dataUrl.slice(0, LONGEST_HEADER));
  if (header === null) throw invalidImageUrl(param, "expected a data URL that begins as 'data:image/png;base64,'");
  return header[0].length;
}

function notBase64(param: string) {
  return invalidImageUrl(param, 'the data URL is not valid base64');
}
