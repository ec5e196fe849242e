/** The pictures: a sky with a light in it, and one of several grounds, chosen by the prompt's words and its hash. */
import { choosePalette, mix, type Palette, wordsOf } from './palettes.ts';
import { type Random, randomFrom } from './random.ts';
import { birds, clouds, conifers, type Frame, landPath, rollingProfile, round, stars } from './shapes.ts';

interface Painting {
  random: Random;
  frame: Frame;
  palette: Palette;
  /** y of the horizon. */
  horizon: number;
  /** Centre of sun or moon. */
  light: { x: number; y: number; radius: number };
}

type Ground = (painting: Painting) => string;

/** Words of a prompt that ask for a ground. */
const GROUND_WORDS: readonly [string, Ground][] = [
  ['sea ocean beach water lake river boat ship fish island', sea],
  ['city street skyline building tokyo york neon cyberpunk robot house town car', city],
  ['desert dune dunes sand canyon mars planet egypt lion', dunes],
  ['abstract pattern background logo texture gradient music energy flow wave waves', bands],
  ['forest tree mountain mountains hill hills fox cat dog siamese meadow snow', hills],
];
const GROUNDS: readonly [Ground, ...Ground[]] = [hills, sea, dunes, hills, city, bands];

/** SVG content (without the root element) of the scene for a seed. The seed is the prompt and the image's index. */
export function drawScene(prompt: string, index: number, width: number, height: number): string {
  const random = randomFrom(`${index}\n${prompt}`);
  const frame = { width, height, unit: Math.min(width, height) };
  const palette = choosePalette(prompt, random);
  const byChance = random.pick(GROUNDS);
  const words = wordsOf(prompt);
  const asked = GROUND_WORDS.find(([list]) => list.split(' ').some((word) => words.has(word)))?.[1];
  const horizon = height * random.between(0.5, 0.6);
  const light = {
    x: width * random.between(0.22, 0.78),
    y: horizon - frame.unit * random.between(0.1, 0.3),
    radius: frame.unit * random.between(0.055, 0.095),
  };
  const painting = { random, frame, palette, horizon, light };
  return `${definitions(painting)}${sky(painting)}${(asked ?? byChance)(painting)}${vignette(frame)}`;
}

function definitions({ palette, frame, light }: Painting): string {
  const { sky, glow } = palette;
  const stop = (offset: number, color: string, opacity = 1) =>
    `<stop offset="${offset}" stop-color="${color}" stop-opacity="${opacity}"/>`;
  const glowCircle = `cx="${round(light.x)}" cy="${round(light.y)}" r="${round(frame.unit * 0.62)}" gradientUnits="userSpaceOnUse"`;
  return `<defs><linearGradient id="sky" x2="0" y2="1">${stop(0, sky[0])}${stop(0.38, sky[1])}${stop(0.64, sky[2])}${stop(1, sky[2])}</linearGradient><radialGradient id="glow" ${glowCircle}>${stop(0, glow, 0.85)}${stop(0.25, glow, 0.4)}${stop(1, glow, 0)}</radialGradient><radialGradient id="edge" r=".75">${stop(0.55, '#000000', 0)}${stop(1, '#000000', 0.34)}</radialGradient></defs>`;
}

function sky(painting: Painting): string {
  const { random, frame, palette, horizon, light } = painting;
  const fill = (id: string) => `<rect width="${frame.width}" height="${frame.height}" fill="url(#${id})"/>`;
  const disc = `<circle cx="${round(light.x)}" cy="${round(light.y)}" r="${round(light.radius)}" fill="${palette.light}"/>`;
  const above = palette.stars ? stars(random, frame, horizon) : clouds(random, frame, palette.light);
  return fill('sky') + above + fill('glow') + disc;
}

function vignette(frame: Frame): string {
  return `<rect width="${frame.width}" height="${frame.height}" fill="url(#edge)"/>`;
}

/** Ridges behind ridges, paler with distance; trees on the two nearest. */
function hills({ random, frame, palette, horizon }: Painting): string {
  const layers = random.integer(5, 7);
  let shapes = palette.stars ? '' : birds(random, frame, palette.near);
  for (let layer = 0; layer < layers; layer += 1) {
    const depth = layer / (layers - 1);
    const base = horizon + (frame.height * 0.92 - horizon) * depth ** 1.25;
    const profile = rollingProfile(random, frame, frame.unit * (0.055 - 0.02 * depth), 0.75 - 0.5 * depth);
    const color = mix(palette.far, palette.near, depth ** 1.15);
    const id = `h${layer}`;
    const haze = mix(color, palette.sky[2], 0.5 * (1 - depth));
    shapes += `<linearGradient id="${id}" x2="0" y2="1"><stop offset="0" stop-color="${color}"/><stop offset=".7" stop-color="${haze}"/></linearGradient>`;
    if (layer >= layers - 3 && layer > 0) shapes += conifers(random, frame, base, profile, color);
    shapes += `<path d="${landPath(frame, base, profile)}" fill="url(#${id})"/>`;
  }
  return shapes;
}

/** Smooth crests, each lit on one side. */
function dunes({ random, frame, palette, horizon }: Painting): string {
  const layers = random.integer(4, 6);
  let shapes = '';
  for (let layer = 0; layer < layers; layer += 1) {
    const depth = layer / (layers - 1);
    const base = horizon + (frame.height * 0.9 - horizon) * depth;
    const profile = rollingProfile(random, frame, frame.unit * (0.03 + 0.06 * depth), 0);
    const color = mix(palette.far, palette.near, depth * 0.85);
    const lit = mix(color, palette.light, 0.45 * (1 - depth * 0.5));
    shapes += `<linearGradient id="d${layer}" x1="0" y1="0" x2=".55" y2=".9"><stop offset="0" stop-color="${lit}"/><stop offset=".55" stop-color="${color}"/><stop offset="1" stop-color="${mix(color, palette.near, 0.55)}"/></linearGradient><path d="${landPath(frame, base, profile)}" fill="url(#d${layer})"/>`;
  }
  return shapes;
}

/** Water that mirrors the light in broken streaks, with an island and a sail. */
function sea(painting: Painting): string {
  const { random, frame, palette, horizon, light } = painting;
  const water = `<linearGradient id="water" x2="0" y2="1"><stop offset="0" stop-color="${mix(palette.sky[2], palette.far, 0.45)}"/><stop offset=".35" stop-color="${mix(palette.far, palette.near, 0.45)}"/><stop offset="1" stop-color="${palette.near}"/></linearGradient><rect y="${round(horizon)}" width="${frame.width}" height="${round(frame.height - horizon)}" fill="url(#water)"/>`;
  const islandProfile = rollingProfile(random, frame, frame.unit * 0.035, 0.6);
  const island = `<clipPath id="above"><rect width="${frame.width}" height="${round(horizon + 1)}"/></clipPath><path clip-path="url(#above)" d="${landPath(frame, horizon + frame.unit * 0.012, islandProfile)}" fill="${mix(palette.far, palette.near, 0.3)}"/>`;
  return (
    island +
    water +
    streaks(painting) +
    sail(random, frame, horizon, palette) +
    birds(random, frame, palette.near) +
    shimmer(light.x)
  );

  function shimmer(x: number): string {
    return `<ellipse cx="${round(x)}" cy="${round(horizon)}" rx="${round(frame.unit * 0.3)}" ry="${round(frame.unit * 0.006)}" fill="${palette.light}" opacity=".5"/>`;
  }
}

function streaks({ random, frame, palette, horizon, light }: Painting): string {
  let bars = '';
  const depth = frame.height - horizon;
  for (let row = 0; row < 46; row += 1) {
    const down = (row / 46) ** 1.5;
    const half = frame.unit * (0.025 + 0.16 * down) * random.between(0.25, 1);
    const x = light.x + random.between(-0.5, 0.5) * frame.unit * (0.04 + 0.22 * down);
    const thick = frame.unit * (0.0012 + 0.005 * down);
    bars += `<rect x="${round(x - half)}" y="${round(horizon + depth * (0.01 + 0.8 * down))}" width="${round(half * 2)}" height="${thick.toFixed(2)}" rx="${(thick / 2).toFixed(2)}" opacity="${(0.62 - 0.5 * down).toFixed(2)}"/>`;
  }
  return `<g fill="${palette.light}">${bars}</g>`;
}

function sail(random: Random, frame: Frame, horizon: number, palette: Palette): string {
  const size = frame.unit * random.between(0.05, 0.085);
  const x = frame.width * random.between(0.2, 0.8);
  const y = horizon + frame.unit * random.between(0.05, 0.11);
  const hull = `M${round(x - size * 0.55)} ${round(y)}h${round(size * 1.1)}l${round(-size * 0.2)} ${round(size * 0.2)}h${round(-size * 0.7)}Z`;
  const main = `M${round(x)} ${round(y - size * 1.35)}V${round(y - size * 0.08)}H${round(x - size * 0.5)}Z`;
  const jib = `M${round(x + size * 0.06)} ${round(y - size * 1.1)}L${round(x + size * 0.5)} ${round(y - size * 0.08)}H${round(x + size * 0.06)}Z`;
  return `<path d="${hull}" fill="${palette.near}"/><path d="${main}${jib}" fill="${palette.light}" opacity=".94"/>`;
}

/** Three rows of towers with lit windows. */
function city({ random, frame, palette, horizon }: Painting): string {
  let shapes = '';
  for (let row = 0; row < 3; row += 1) {
    const depth = row / 2;
    const color = mix(palette.far, palette.near, 0.25 + 0.75 * depth);
    const foot = horizon + frame.unit * (0.12 + 0.2 * depth);
    let towers = '';
    let windows = '';
    for (let x = -random.between(0, 0.06) * frame.unit; x < frame.width; ) {
      const width = frame.unit * random.between(0.05, 0.1);
      const height = frame.unit * random.between(0.1, 0.36) * (1.05 - 0.3 * depth);
      towers += `M${round(x)} ${frame.height}V${round(foot - height)}h${round(width)}V${frame.height}Z`;
      if (random.next() < 0.3) {
        const mast = frame.unit * random.between(0.02, 0.06);
        towers += `M${round(x + width * 0.46)} ${round(foot - height)}v${round(-mast)}h${round(width * 0.06)}v${round(mast)}Z`;
      }
      if (row > 0) windows += windowsOf(random, frame, x, foot - height, width);
      x += width + frame.unit * random.between(0, 0.014);
    }
    shapes += `<path d="${towers}" fill="${color}"/><path d="${windows}" fill="${palette.glow}" opacity=".8"/>`;
  }
  return shapes;
}

function windowsOf(random: Random, frame: Frame, left: number, top: number, width: number): string {
  const gap = frame.unit * 0.0145;
  const size = gap * 0.5;
  let path = '';
  for (let y = top + gap; y < Math.min(frame.height * 0.8, top + frame.unit * 0.34); y += gap * 1.25) {
    for (let x = left + gap * 0.7; x < left + width - gap; x += gap) {
      if (random.next() < 0.34) path += `M${round(x)} ${round(y)}h${round(size)}v${round(size * 1.2)}h${round(-size)}Z`;
    }
  }
  return path;
}

/** Flowing ribbons across the whole picture, from the light of the sky to the dark of the land. */
function bands({ random, frame, palette }: Painting): string {
  const tones = [palette.glow, palette.sky[2], palette.far, palette.sky[1], palette.sky[0], palette.near];
  const count = random.integer(8, 11);
  let shapes = '';
  for (let band = 0; band < count; band += 1) {
    const share = band / (count - 1);
    const at = share * (tones.length - 1.001);
    const color = mix(tones[Math.floor(at)] ?? palette.far, tones[Math.floor(at) + 1] ?? palette.near, at % 1);
    const base = frame.height * (0.14 + 0.78 * share);
    const profile = rollingProfile(random, frame, frame.unit * random.between(0.05, 0.1), 0);
    const path = landPath(frame, base, profile);
    const lit = mix(color, palette.light, 0.4 * (1 - share));
    shapes += `<linearGradient id="b${band}" x2="1" y2=".25"><stop offset="0" stop-color="${lit}"/><stop offset=".45" stop-color="${color}"/><stop offset="1" stop-color="${mix(color, palette.near, 0.3)}"/></linearGradient><path d="${path}" fill="#000" opacity=".1" transform="translate(0 ${round(-frame.unit * 0.012)})"/><path d="${path}" fill="url(#b${band})"/>`;
  }
  return shapes;
}
