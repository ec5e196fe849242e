// How large an input image may be. What a model takes may be less; that is the rules' affair.

/** An image must be below 50 MB (openai-images.md 2.4, read 2026-11-22). */
export const MAX_INPUT_BYTES = 52_428_799;

/** A mask must be below 4 MB (the same place). */
export const MAX_MASK_BYTES = 4_194_303;

/**
 * 8192 x 6144, what the largest common cameras make; OpenAI publishes no bound. Decoding takes up to 9 bytes a pixel:
 * measured for this size are 68 MB for a plain PNG, 440 MB for an interlaced one of 16 bits, 380 MB for a progressive JPEG,
 * 390 MB for WebP, and at most 650 MB for eight of one kind, one after another.
 */
export const MAX_INPUT_PIXELS = 50_331_648;

/** An image with more pixels is decoded alone, so that a process never needs more than one of the largest does. */
export const LARGE_INPUT_PIXELS = 16_777_216;
