/** Settles every `auto` of a request, as the API does before it echoes the values. Pure and repeatable. */
import type { ImageRequest, ResolvedRequest } from './image-request.ts';
import { parseSize } from './validate-size.ts';

const SQUARE = { width: 1024, height: 1024 };
const WIDE = { width: 1536, height: 1024 };
const TALL = { width: 1024, height: 1536 };

export function resolveRequest(request: ImageRequest): ResolvedRequest {
  const size = parseSize(request.size) ?? chooseSize(request);
  return {
    ...request,
    ...size,
    size: `${size.width}x${size.height}`,
    quality: request.quality === 'auto' ? 'medium' : request.quality,
    background: request.background === 'auto' ? 'opaque' : request.background,
  };
}

/** `auto`: the standard size nearest to the first input image, else what the prompt suggests, else a square. */
function chooseSize(request: ImageRequest): { width: number; height: number } {
  const first = request.inputs[0];
  if (first !== undefined) {
    const aspect = first.width / first.height;
    if (aspect > 1.2) return WIDE;
    return aspect < 1 / 1.2 ? TALL : SQUARE;
  }
  if (/\b(landscape|panorama|wide|banner|horizon)\b/i.test(request.prompt)) return WIDE;
  return /\b(portrait|poster|tall|vertical)\b/i.test(request.prompt) ? TALL : SQUARE;
}
