/** How long a request takes: typically 10-60 s (Azure and OpenAI texts, 2026), by quality, size, count and model. */
import type { ResolvedRequest } from './image-request.ts';

const SECONDS_BY_QUALITY: Record<string, number> = {
  low: 10,
  standard: 12,
  medium: 18,
  hd: 22,
  high: 30,
  xhigh: 38,
  max: 46,
};
const MEGAPIXEL = 1024 * 1024;
/** Fast everyday models (released as such: from 6 s at `low`). */
const FAST_FACTOR = 0.6;
const EDIT_FACTOR = 1.3;
/** Images of one request are made side by side, at a small cost each. */
const PER_EXTRA_IMAGE = 0.08;
const JITTER = 0.15;

/** Milliseconds at scale 1; `random` (0..1) spreads it by +-15 %. */
export function latencyMs(request: ResolvedRequest, random: number): number {
  const quality = SECONDS_BY_QUALITY[request.quality] ?? SECONDS_BY_QUALITY.medium ?? 18;
  const size = Math.sqrt((request.width * request.height) / MEGAPIXEL);
  const model = request.model.role === 'fast everyday' ? FAST_FACTOR : 1;
  const operation = request.operation === 'edit' ? EDIT_FACTOR : 1;
  const count = 1 + PER_EXTRA_IMAGE * (request.n - 1);
  const spread = 1 + JITTER * (2 * random - 1);
  return Math.round(1000 * quality * size * model * operation * count * spread);
}
