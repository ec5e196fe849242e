// Reads a 2xx reply into image bytes or links. The bytes have been taken out of its text already (reply-body.ts).
import type { ReplyEcho } from '@darkroom/shared/jobs/record.ts';
import type { UpstreamUsage } from '@darkroom/shared/models/price.ts';
import { noImageData } from './classify.ts';
import type { ReplyBody } from './reply-body.ts';

export type ReplyImage =
  | { readonly kind: 'bytes'; readonly bytes: Buffer; readonly revisedPrompt: string | null }
  | { readonly kind: 'url'; readonly url: string; readonly revisedPrompt: string | null };

export interface ImagesReply {
  readonly images: readonly ReplyImage[];
  readonly usage: UpstreamUsage | null;
  /** What the upstream says it has made; only what it says. */
  readonly echo: ReplyEcho;
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

/** Throws ServiceError (verdict `unknown`) when the body, which is here whole, holds no image. */
export function parseImagesReply(body: ReplyBody, requestId: string | null): ImagesReply {
  const reply = parseJson(body, requestId);
  const images = (Array.isArray(reply.data) ? reply.data : []).flatMap((item) => toReplyImage(item, body));
  if (images.length === 0) {
    const told = typeof reply.error?.message === 'string' ? reply.error.message : 'no data[].b64_json or data[].url';
    throw noImageData(requestId, told.slice(0, 300));
  }
  return { images, usage: reply.usage ?? null, echo: echoOf(reply) };
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

function parseJson(body: ReplyBody, requestId: string | null): WireReply {
  try {
    const reply: unknown = JSON.parse(body.text());
    if (typeof reply === 'object' && reply !== null) return reply;
  } catch {
    throw noImageData(requestId, `${body.receivedBytes} bytes that are not JSON`);
  }
  throw noImageData(requestId, 'not a JSON object');
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
