/** Text as SVG paths, set in Inter from its own font files: nothing depends on the fonts of the system. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { type Font, type Glyph, type Path, parseFont } from './opentype.ts';
import { round } from './shapes.ts';

export type Weight = 400 | 600;

const SUBSETS = ['latin', 'latin-ext', 'cyrillic', 'greek', 'vietnamese'];
const require = createRequire(import.meta.url);
const fonts = new Map<string, Font>();

interface Placed {
  glyph: Glyph;
  font: Font;
}

/** Width in pixels. */
export function measureText(text: string, size: number, weight: Weight): number {
  return placeGlyphs(text, size, weight).width;
}

/** Path data of one line, its base line starting at x, y. Characters without a glyph become small blocks. */
export function textPath(text: string, x: number, y: number, size: number, weight: Weight): string {
  return placeGlyphs(text, size, weight)
    .glyphs.map(({ glyph, offset }) =>
      glyph === null ? block(x + offset, y, size) : pathData(glyph.getPath(x + offset, y, size)),
    )
    .join('');
}

/** Breaks text into at most `maxLines` lines of `maxWidth`, the last one cut with an ellipsis if it must be. */
export function wrapText(text: string, maxWidth: number, size: number, weight: Weight, maxLines: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of splitWords(text)) {
    const longer = line + word;
    if (line === '' || measureText(longer.trimEnd(), size, weight) <= maxWidth) {
      line = longer;
      continue;
    }
    lines.push(line.trimEnd());
    line = word.trimStart();
    if (lines.length > maxLines) break;
  }
  if (line.trim() !== '') lines.push(line.trimEnd());
  const kept = lines.slice(0, maxLines);
  const cut = lines.length > maxLines;
  return kept.map((one, at) => fitLine(cut && at === maxLines - 1 ? `${one} …` : one, maxWidth, size, weight));
}

/** Words with their trailing space; wide scripts break after any character. Long text is cut: it cannot be shown. */
function splitWords(text: string): string[] {
  const flat = text.slice(0, 600).replaceAll(/\s+/g, ' ').trim();
  return flat.match(/[\u2e80-\uffef]|[^\s\u2e80-\uffef]+\s?|\s/gu) ?? [];
}

function fitLine(line: string, maxWidth: number, size: number, weight: Weight): string {
  if (measureText(line, size, weight) <= maxWidth) return line;
  const characters = Array.from(line.replace(/\s*…$/, ''));
  while (characters.length > 1 && measureText(`${characters.join('')}…`, size, weight) > maxWidth) characters.pop();
  return `${characters.join('')}…`;
}

function placeGlyphs(text: string, size: number, weight: Weight) {
  const glyphs: { glyph: Glyph | null; offset: number }[] = [];
  let width = 0;
  let before: Placed | null = null;
  for (const char of text) {
    const placed = findGlyph(char, weight);
    if (placed === null) {
      glyphs.push({ glyph: null, offset: width });
      width += size * 0.62;
    } else {
      const scale = size / placed.font.unitsPerEm;
      if (before?.font === placed.font) width += placed.font.getKerningValue(before.glyph, placed.glyph) * scale;
      glyphs.push({ glyph: placed.glyph, offset: width });
      width += (placed.glyph.advanceWidth ?? 0) * scale;
    }
    before = placed;
  }
  return { glyphs, width };
}

function findGlyph(char: string, weight: Weight): Placed | null {
  for (const subset of SUBSETS) {
    const font = loadFont(subset, weight);
    const glyph = font.charToGlyph(char);
    if (glyph.index !== 0) return { glyph, font };
  }
  return null;
}

function loadFont(subset: string, weight: Weight): Font {
  const name = `inter-${subset}-${weight}-normal.woff`;
  const known = fonts.get(name);
  if (known !== undefined) return known;
  const bytes = readFileSync(require.resolve(`@fontsource/inter/files/${name}`));
  const font = parseFont(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength));
  fonts.set(name, font);
  return font;
}

/** The package's own writer rounds some coordinates to NaN. */
function pathData(path: Path): string {
  return path.commands
    .map((command) => {
      if (command.type === 'Z') return 'Z';
      const end = `${round(command.x)} ${round(command.y)}`;
      if (command.type === 'M' || command.type === 'L') return command.type + end;
      const first = `${round(command.x1)} ${round(command.y1)}`;
      if (command.type === 'Q') return `Q${first} ${end}`;
      return `C${first} ${round(command.x2)} ${round(command.y2)} ${end}`;
    })
    .join('');
}

function block(x: number, y: number, size: number): string {
  const edge = round(size * 0.5);
  return `M${round(x)} ${round(y - size * 0.6)}h${edge}v${edge}h-${edge}Z`;
}
