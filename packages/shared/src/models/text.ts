// Lengths as OpenAI counts them.

/** Unicode code points of a text (openai-images.md 2.2); a lone surrogate counts as one. */
export function codePointsOf(text: string): number {
  let length = 0;
  for (const _ of text) length++;
  return length;
}
