// How long the links of an answer can be followed, and how they are written down beside the attempt. Pure.
import type { SpooledAnswerRow } from '@darkroom/shared/jobs/record.ts';
import type { ReplyImage } from '../upstream/reply.ts';

/** OpenAI's links hold for an hour. */
const LINK_LIFE_MS = 3_600_000;
/** Whatever a link says of itself: its job is to end. */
const LONGEST_LINK_LIFE_MS = 24 * 3_600_000;

/** Unix ms: the end a signed link names itself (`se=`, as Azure's do), a day at most; else an hour after the answer. */
export function linkUntil(url: string, answeredAt: number): number {
  const named = URL.canParse(url) ? Date.parse(new URL(url).searchParams.get('se') ?? '') : Number.NaN;
  return Number.isNaN(named) ? answeredAt + LINK_LIFE_MS : Math.min(named, answeredAt + LONGEST_LINK_LIFE_MS);
}

/** null for an answer without links. */
export function linksOf(images: readonly ReplyImage[], answeredAt: number): SpooledAnswerRow | null {
  const links = images.map((image) => (image.kind === 'url' ? image.url : null));
  const ends = links.flatMap((link) => (link === null ? [] : [linkUntil(link, answeredAt)]));
  if (ends.length === 0) return null;
  const prompts = images.map(({ revisedPrompt }) => revisedPrompt);
  const revised = prompts.some((prompt) => prompt !== null) ? { revisedPrompts: prompts } : {};
  return { until: Math.max(...ends), host: null, links, ...revised, images: images.length };
}
