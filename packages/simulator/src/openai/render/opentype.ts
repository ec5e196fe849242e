/** opentype.js 2.0: the part that is used here, typed; the package ships no types. */
import { createRequire } from 'node:module';

export type Command =
  | { type: 'M'; x: number; y: number }
  | { type: 'L'; x: number; y: number }
  | { type: 'Q'; x: number; y: number; x1: number; y1: number }
  | { type: 'C'; x: number; y: number; x1: number; y1: number; x2: number; y2: number }
  | { type: 'Z' };
export interface Path {
  commands: Command[];
}
export interface Glyph {
  index: number;
  advanceWidth?: number;
  getPath(x: number, y: number, fontSize: number): Path;
}
export interface Font {
  unitsPerEm: number;
  charToGlyph(char: string): Glyph;
  getKerningValue(left: Glyph, right: Glyph): number;
}

const require = createRequire(import.meta.url);
/** A CommonJS bundle whose exports the ES module loader cannot see by name. */
const bundle = require('opentype.js') as { parse(buffer: ArrayBuffer): Font };

export function parseFont(buffer: ArrayBuffer): Font {
  return bundle.parse(buffer);
}
