// Recognises SVG and reads its size from the text of its root tag. SVG is never parsed further nor drawn on the server:
// it can hold scripts, references and entity bombs. One pass over a bounded prefix, no backtracking.

export interface SvgSize {
  readonly width: number;
  readonly height: number;
}

/** How far the root tag may stand from the start, and how long it may be; generators write a few hundred bytes. */
const PREFIX_BYTES = 65_536;
/** What a browser uses when neither size nor viewBox is given (CSS Images 3, default object size). */
const DEFAULT_SIZE: SvgSize = { width: 300, height: 150 };
const MAX_SIDE = 1_000_000;
/** CSS pixels per unit (CSS Values 4, section 6.2). */
const UNIT_PX: Readonly<Record<string, number>> = {
  '': 1,
  px: 1,
  pt: 96 / 72,
  pc: 16,
  in: 96,
  cm: 96 / 2.54,
  mm: 96 / 25.4,
  em: 16,
  rem: 16,
};

/** The index after the `>` that ends a doctype, whose internal subset in brackets may hold `>` itself; -1 if unended. */
function endOfDoctype(text: string, from: number): number {
  const close = text.indexOf('>', from);
  const bracket = text.indexOf('[', from);
  if (close === -1 || bracket === -1 || close < bracket) return close === -1 ? -1 : close + 1;
  const subset = text.indexOf(']', bracket);
  const end = subset === -1 ? -1 : text.indexOf('>', subset);
  return end === -1 ? -1 : end + 1;
}

function endOf(text: string, terminator: string, from: number): number {
  const at = text.indexOf(terminator, from);
  return at === -1 ? -1 : at + terminator.length;
}

/** The root tag's text, from after `<` to before `>`; null when the document does not start as XML does. */
function rootTag(text: string): string | null {
  let at = text.startsWith('\uFEFF') ? 1 : 0;
  while (at !== -1) {
    while (at < text.length && /\s/.test(text[at] ?? '')) at += 1;
    if (text.startsWith('<?', at)) at = endOf(text, '?>', at);
    else if (text.startsWith('<!--', at)) at = endOf(text, '-->', at + 4);
    else if (/^<!doctype\s/i.test(text.slice(at, at + 10))) at = endOfDoctype(text, at);
    else break;
  }
  if (at === -1 || text[at] !== '<') return null;
  let quote = '';
  for (let end = at + 1; end < text.length; end += 1) {
    const char = text[end] ?? '';
    if (quote !== '') quote = char === quote ? '' : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === '>') return text.slice(at + 1, end);
  }
  return null;
}

function attributesOf(tag: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const match of tag.matchAll(/(?<=\s)([A-Za-z][\w:.-]{0,63})\s{0,8}=\s{0,8}(?:"([^"]*)"|'([^']*)')/g)) {
    found.set(match[1] ?? '', match[2] ?? match[3] ?? '');
  }
  return found;
}

/** A length in CSS pixels; null for percentages and anything that is not a positive length. */
function toPixels(text: string | undefined): number | null {
  const match = /^\s*\+?(\d{1,9}(?:\.\d{0,9})?|\.\d{1,9})([a-z]{0,3})\s*$/i.exec(text ?? '');
  const pixels = Number(match?.[1]) * (UNIT_PX[match?.[2]?.toLowerCase() ?? ''] ?? Number.NaN);
  return pixels > 0 ? pixels : null;
}

function viewBoxOf(text: string | undefined): SvgSize | null {
  const [, , width = 0, height = 0] = (text ?? '')
    .slice(0, 200)
    .trim()
    .split(/[\s,]+/)
    .map(Number);
  return width > 0 && height > 0 ? { width, height } : null;
}

function toSide(pixels: number): number {
  return Math.min(MAX_SIDE, Math.max(1, Math.round(pixels)));
}

/**
 * The size an SVG document is shown at, in whole CSS pixels: its `width` and `height`, what is missing from its
 * `viewBox`, else 300 x 150. Null when the bytes are not an SVG document (HTML that contains one is not).
 */
export function measureSvg(bytes: Uint8Array): SvgSize | null {
  const tag = rootTag(new TextDecoder().decode(bytes.subarray(0, PREFIX_BYTES)));
  if (tag === null || !/^(?:svg:)?svg(?:\s|\/?$)/.test(tag)) return null;
  const attributes = attributesOf(tag);
  const box = viewBoxOf(attributes.get('viewBox')) ?? DEFAULT_SIZE;
  const width = toPixels(attributes.get('width'));
  const height = toPixels(attributes.get('height'));
  return {
    width: toSide(width ?? (height === null ? box.width : (height * box.width) / box.height)),
    height: toSide(height ?? (width === null ? box.height : (width * box.height) / box.width)),
  };
}
