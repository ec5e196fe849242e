// Splits a request into upstream calls. Pure arithmetic: how many images one call may carry is decided by
// validate.ts, when calls run by the queue and the governor.
import type { ImageRequest } from './validate.ts';

export interface PlannedCall {
  index: number;
  /** Indexes 0..n-1 of the request's images this call makes. */
  images: number[];
}

type Planned = Pick<ImageRequest, 'n' | 'imagesPerCall'>;

function imagesPerCallOf(request: Planned, imagesPerMinute: number | null): number {
  const told = imagesPerMinute === null ? request.imagesPerCall : Math.floor(imagesPerMinute);
  return Math.max(1, Math.min(request.imagesPerCall, told));
}

/** How many calls `planCalls` makes. */
export function countCalls(request: Planned, imagesPerMinute: number | null = null): number {
  return Math.ceil(request.n / imagesPerCallOf(request, imagesPerMinute));
}

/**
 * The fewest calls that make every image exactly once, in order. No call carries more images than `imagesPerCall`,
 * nor more than the told `imagesPerMinute` (null or absent: none told): a larger call could never be sent.
 */
export function planCalls(request: Planned, imagesPerMinute: number | null = null): PlannedCall[] {
  const perCall = imagesPerCallOf(request, imagesPerMinute);
  return Array.from({ length: countCalls(request, imagesPerMinute) }, (_, index) => ({
    index,
    images: Array.from({ length: Math.min(perCall, request.n - index * perCall) }, (_, i) => index * perCall + i),
  }));
}
