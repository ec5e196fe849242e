/** The caption over the lower part of a picture: the prompt, and what made it. */
import { measureText, textPath, wrapText } from './text.ts';

export interface Caption {
  prompt: string;
  /** `model · size · quality` */
  facts: string;
  /** `No. 0000042` */
  serial: string;
}

const MAX_PROMPT_LINES = 3;

/**
 * What lies behind the text. `shade`: the picture darkens softly. `plate`: a rounded plate, for pictures without a
 * background. `band`: a solid band, which also covers the caption of an input that came from here.
 */
export type Backing = 'shade' | 'plate' | 'band';

/** SVG content. */
export function drawCaption(caption: Caption, width: number, height: number, backing: Backing): string {
  const inset = backing === 'plate';
  const unit = Math.min(width, height);
  const margin = unit * (inset ? 0.09 : 0.045);
  const promptSize = unit * 0.0315;
  const factsSize = unit * 0.0205;
  const inner = width - 2 * margin;
  const lines = wrapText(caption.prompt, inner, promptSize, 600, MAX_PROMPT_LINES);
  const lineHeight = promptSize * 1.32;
  const factsBase = height - margin * (inset ? 1.02 : 0.82);
  const firstBase = factsBase - factsSize * 1.25 - promptSize * 0.5 - lineHeight * (lines.length - 1);
  const top = firstBase - promptSize * 1.55;
  const prompt = lines.map((line, at) => textPath(line, margin, firstBase + lineHeight * at, promptSize, 600)).join('');
  const serialWidth = measureText(caption.serial, factsSize, 600);
  const [facts = ''] = wrapText(caption.facts, inner - serialWidth - factsSize * 2, factsSize, 400, 1);
  const small = textPath(facts, margin, factsBase, factsSize, 400);
  const serial = textPath(caption.serial, width - margin - serialWidth, factsBase, factsSize, 600);
  const behind: Record<Backing, () => string> = {
    shade: () => shade(top, width, height, unit),
    plate: () => roundPlate(margin, top, width, factsBase + factsSize * 1.3),
    band: () => band(Math.min(top, firstBase - lineHeight * (MAX_PROMPT_LINES - lines.length + 1)), width, height),
  };
  return `${behind[backing]()}<path d="${prompt}" fill="#fff"/><path d="${small}" fill="#fff" fill-opacity=".78"/><path d="${serial}" fill="#fff" fill-opacity=".92"/>`;
}

/** Darkens the picture softly towards its lower edge. */
function shade(top: number, width: number, height: number, unit: number): string {
  const start = top - unit * 0.12;
  return `<linearGradient id="shade" x2="0" y2="1"><stop offset="0" stop-opacity="0"/><stop offset=".42" stop-opacity=".46"/><stop offset="1" stop-opacity=".74"/></linearGradient><rect y="${start.toFixed(1)}" width="${width}" height="${(height - start).toFixed(1)}" fill="url(#shade)"/>`;
}

function band(top: number, width: number, height: number): string {
  return `<rect y="${top.toFixed(1)}" width="${width}" height="${(height - top).toFixed(1)}" fill="#12141f"/>`;
}

function roundPlate(margin: number, top: number, width: number, bottom: number): string {
  const x = margin * 0.55;
  return `<rect x="${x.toFixed(1)}" y="${top.toFixed(1)}" width="${(width - 2 * x).toFixed(1)}" height="${(bottom - top).toFixed(1)}" rx="${(margin * 0.3).toFixed(1)}" fill="#12141f" fill-opacity=".88"/>`;
}
