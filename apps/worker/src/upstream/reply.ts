// Reads a 2xx reply, whole or as far as it came, into image bytes or links. The bytes have been taken out of its text already
// (reply-body.ts).
import type { ServiceError } from '@darkroom/shared/base/errors.ts';
import type { ReplyEcho } from '@darkroom/shared/jobs/record.ts';
import type { UpstreamUsage } from '@darkroom/shared/models/price.ts';
import { noImageData } from './classify.ts';
import { closeCutJson } from './cut-json.ts';
import type { ReplyBody } from './reply-body.ts';

export type ReplyImage =
  | { readonly kind: 'bytes'; readonly bytes: Buffer; readonly revisedPrompt: string | null }
  | { readonly kind: 'url'; readonly url: string; readonly revisedPrompt: string | null };

export interface ImagesReply {
  readonly images: readonly ReplyImage[];
  /** null when it was not told, or broke off. */
  readonly usage: UpstreamUsage | null;
  /** What the upstream says it has made; only what it says. */
  readonly echo: ReplyEcho;
  /** False when it broke off: more images may have been made, and be charged, than are here. */
  readonly isWhole: boolean;
}

const ECHOED = ['background', 'output_format', 'quality', 'size'] as const;

interface WireReply {
  data?: ({ b64_json?: unknown; url?: unknown; revised_prompt?: unknown } | null)[];
  usage?: UpstreamUsage | null;
  error?: { message?: unknown };
  background?: unknown;
  output_format?: unknown;
  quality?: unknown;
  size?: unknown;
}

/**
 * Throws ServiceError (verdict `unknown`) when the body holds no image. Of one that broke off all counts that had come whole:
 * an image or a link with its closing quote. It is paid and would else be bought again.
 */
export function parseImagesReply(body: ReplyBody, requestId: string | null): ImagesReply {
  const { reply, isWhole } = parseJson(body, requestId);
  const images = (Array.isArray(reply.data) ? reply.data : []).flatMap((item) => toReplyImage(item, body));
  if (images.length === 0) throw isWhole ? noImageData(requestId, toldBy(reply)) : notJson(body, requestId);
  // Tokens counted in part would make a wrong price.
  return { images, usage: isWhole ? (reply.usage ?? null) : null, echo: echoOf(reply), isWhole };
}

function toldBy({ error }: WireReply): string {
  return typeof error?.message === 'string' ? error.message.slice(0, 300) : 'no data[].b64_json or data[].url';
}

function notJson(body: ReplyBody, requestId: string | null): ServiceError {
  return noImageData(requestId, `${body.receivedBytes} bytes that are not JSON`);
}

/** Longer texts are no words of OpenAI's, and the row of an attempt is small. */
const LONGEST_ECHO = 32;

function echoOf(reply: WireReply): ReplyEcho {
  return Object.fromEntries(
    ECHOED.flatMap((name) => {
      const value = reply[name];
      return typeof value === 'string' && value.length <= LONGEST_ECHO ? [[name, value]] : [];
    }),
  );
}

function parseJson(body: ReplyBody, requestId: string | null): { reply: WireReply; isWhole: boolean } {
  const text = body.text();
  const whole = parseOrNothing(text);
  const reply = whole ?? parseOrNothing(closeCutJson(text) ?? '');
  if (reply === undefined) throw notJson(body, requestId);
  if (typeof reply !== 'object' || reply === null) throw noImageData(requestId, 'not a JSON object');
  return { reply, isWhole: whole !== undefined };
}

function parseOrNothing(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function toReplyImage(
  item: { b64_json?: unknown; url?: unknown; revised_prompt?: unknown } | null,
  body: ReplyBody,
): ReplyImage[] {
  const revisedPrompt = typeof item?.revised_prompt === 'string' ? item.revised_prompt : null;
  if (typeof item?.b64_json === 'string' && item.b64_json.length > 0) {
    return [{ kind: 'bytes', bytes: body.imageAt(item.b64_json), revisedPrompt }];
  }
  if (typeof item?.url === 'string' && item.url.length > 0) return [{ kind: 'url', url: item.url, revisedPrompt }];
  return [];
}
