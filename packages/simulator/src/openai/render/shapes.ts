/** SVG building blocks of the scenes. Lengths are pixels of the picture; text is rounded to keep it small. */
import type { Random } from './random.ts';

export interface Frame {
  width: number;
  height: number;
  /** Shorter edge: the unit that things are sized by. */
  unit: number;
}

/** A height above or below a base line, by position. */
export type Profile = (x: number) => number;

export function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** A rolling line: three waves of falling strength, rougher with `roughness` (0 = dunes, 1 = crags). */
export function rollingProfile(random: Random, frame: Frame, amplitude: number, roughness: number): Profile {
  const waves = [1, 2.3, 5.1, 11.7, 23.3].map((frequency, order) => ({
    frequency: (frequency * random.between(0.8, 1.25) * Math.PI) / frame.unit,
    phase: random.between(0, 2 * Math.PI),
    strength: amplitude * (order < 2 ? 1 / (order + 1) : (roughness * 0.5) / order),
  }));
  return (x) => waves.reduce((sum, wave) => sum + wave.strength * Math.sin(wave.frequency * x + wave.phase), 0);
}

/** Everything under the profile around `base`, down to the lower edge. */
export function landPath(frame: Frame, base: number, profile: Profile): string {
  const step = frame.width / 96;
  let path = `M0 ${frame.height}`;
  for (let x = 0; x <= frame.width + 0.5; x += step) path += `L${round(x)} ${round(base + profile(x))}`;
  return `${path}L${frame.width} ${frame.height}Z`;
}

/** Conifers standing along a profile. */
export function conifers(random: Random, frame: Frame, base: number, profile: Profile, fill: string): string {
  const groves = random.integer(2, 4);
  let path = '';
  for (let grove = 0; grove < groves; grove += 1) {
    const center = random.between(0, frame.width);
    for (let tree = random.integer(5, 11); tree > 0; tree -= 1) {
      const x = center + random.between(-0.16, 0.16) * frame.unit;
      path += conifer(x, base + profile(x) + 0.01 * frame.unit, random.between(0.05, 0.11) * frame.unit);
    }
  }
  return `<path d="${path}" fill="${fill}"/>`;
}

function conifer(x: number, foot: number, height: number): string {
  const tier = (top: number, bottom: number, half: number) =>
    `M${round(x)} ${round(foot - height * top)}L${round(x + height * half)} ${round(foot - height * bottom)}H${round(x - height * half)}Z`;
  return tier(1, 0.6, 0.13) + tier(0.8, 0.34, 0.18) + tier(0.56, 0.06, 0.23) + tier(0.1, -0.1, 0.03);
}

export function stars(random: Random, frame: Frame, below: number): string {
  let dots = '';
  for (let star = 0; star < 110; star += 1) {
    const radius = random.next() ** 3 * 0.0022 * frame.unit + 0.0006 * frame.unit;
    const opacity = round(random.between(0.3, 1));
    dots += `<circle cx="${round(random.between(0, frame.width))}" cy="${round(random.between(0, below))}" r="${radius.toFixed(2)}" opacity="${opacity}"/>`;
  }
  return `<g fill="#fff">${dots}</g>`;
}

/** A few birds as pairs of arcs, in a loose group. */
export function birds(random: Random, frame: Frame, stroke: string): string {
  const x = random.between(0.2, 0.75) * frame.width;
  const y = random.between(0.14, 0.3) * frame.height;
  let path = '';
  for (let bird = random.integer(3, 6); bird > 0; bird -= 1) {
    const span = random.between(0.009, 0.019) * frame.unit;
    const left = x + random.between(-0.12, 0.12) * frame.unit;
    const top = y + random.between(-0.05, 0.05) * frame.unit;
    path += `M${round(left)} ${round(top)}q${round(span * 0.6)} ${round(-span * 0.7)} ${round(span)} 0q${round(span * 0.4)} ${round(-span * 0.7)} ${round(span)} 0`;
  }
  return `<path d="${path}" fill="none" stroke="${stroke}" stroke-width="${round(0.0026 * frame.unit)}" stroke-linecap="round" opacity=".7"/>`;
}

/** Long thin clouds: rounded bars in rows. */
export function clouds(random: Random, frame: Frame, fill: string): string {
  let shapes = '';
  for (let cloud = random.integer(3, 5); cloud > 0; cloud -= 1) {
    const x = random.between(-0.1, 0.9) * frame.width;
    const y = random.between(0.08, 0.36) * frame.height;
    for (let bar = random.integer(2, 4); bar > 0; bar -= 1) {
      const width = random.between(0.14, 0.42) * frame.unit;
      const height = random.between(0.008, 0.018) * frame.unit;
      const left = x + random.between(-0.1, 0.1) * frame.unit;
      shapes += `<rect x="${round(left)}" y="${round(y + bar * 0.019 * frame.unit)}" width="${round(width)}" height="${round(height)}" rx="${round(height / 2)}"/>`;
    }
  }
  return `<g fill="${fill}" opacity=".38">${shapes}</g>`;
}
