// Reads a 2xx reply into image bytes or links, a few at a time: a body of 5 MB takes three times that while it is
// parsed (50 at once through the SDK's own reader peaked at 700 MB, house.md 4).
import type { ReplyEcho } from '@darkroom/shared/jobs/record.ts';
import type { UpstreamUsage } from '@darkroom/shared/models/price.ts';
import { noImageData } from './classify.ts';

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

/** Throws ServiceError (verdict `unknown`) when the text holds no image. */
export function parseImagesReply(text: string, requestId: string | null): ImagesReply {
  const reply = parseJson(text, requestId);
  const images = (Array.isArray(reply.data) ? reply.data : []).flatMap((item) => toReplyImage(item));
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

function parseJson(text: string, requestId: string | null): WireReply {
  try {
    const reply: unknown = JSON.parse(text);
    if (typeof reply === 'object' && reply !== null) return reply;
  } catch {
    throw noImageData(requestId, `${text.length} characters that are not JSON`);
  }
  throw noImageData(requestId, 'not a JSON object');
}

function toReplyImage(item: { b64_json?: unknown; url?: unknown; revised_prompt?: unknown } | null): ReplyImage[] {
  const revisedPrompt = typeof item?.revised_prompt === 'string' ? item.revised_prompt : null;
  if (typeof item?.b64_json === 'string' && item.b64_json.length > 0) {
    return [{ kind: 'bytes', bytes: Buffer.from(item.b64_json, 'base64'), revisedPrompt }];
  }
  if (typeof item?.url === 'string' && item.url.length > 0) return [{ kind: 'url', url: item.url, revisedPrompt }];
  return [];
}
