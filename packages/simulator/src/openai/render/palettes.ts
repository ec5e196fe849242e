/** Colours of the pictures: a sky from top to horizon, a light, and land from far to near. */
import type { Random } from './random.ts';

export interface Palette {
  name: string;
  /** Words of a prompt that ask for it. */
  words: readonly string[];
  sky: readonly [top: string, middle: string, horizon: string];
  light: string;
  glow: string;
  far: string;
  near: string;
  stars: boolean;
}

const PALETTES: readonly [Palette, ...Palette[]] = [
  {
    name: 'dawn',
    words: ['dawn', 'sunrise', 'morning', 'pink', 'rose', 'spring', 'blossom'],
    sky: ['#6a7fb5', '#e8a7a8', '#fde0b8'],
    light: '#fff4dc',
    glow: '#ffd9a0',
    far: '#d9a0a6',
    near: '#2e2746',
    stars: false,
  },
  {
    name: 'ember',
    words: ['sunset', 'dusk', 'orange', 'red', 'fire', 'autumn', 'fox', 'warm'],
    sky: ['#3b2355', '#c4495a', '#ffb35c'],
    light: '#fff0c4',
    glow: '#ff9a4d',
    far: '#b6505f',
    near: '#1c1230',
    stars: false,
  },
  {
    name: 'lagoon',
    words: ['sea', 'ocean', 'beach', 'water', 'blue', 'lake', 'river', 'sky', 'fish', 'boat', 'ship'],
    sky: ['#1d6fa3', '#6fc3cf', '#f3efd2'],
    light: '#fffdf0',
    glow: '#fff3c2',
    far: '#7fb7bd',
    near: '#0c3547',
    stars: false,
  },
  {
    name: 'meadow',
    words: ['green', 'forest', 'tree', 'garden', 'meadow', 'grass', 'summer', 'jungle', 'field'],
    sky: ['#5aa0b8', '#b9dcc0', '#f7f0c8'],
    light: '#fffbe0',
    glow: '#fdf0a8',
    far: '#a5c6a0',
    near: '#17392f',
    stars: false,
  },
  {
    name: 'midnight',
    words: ['night', 'moon', 'star', 'stars', 'galaxy', 'space', 'dark', 'planet', 'rocket', 'dream'],
    sky: ['#070b24', '#1c2a5a', '#5b5a95'],
    light: '#f4f1e6',
    glow: '#a9b4ff',
    far: '#4c5390',
    near: '#060919',
    stars: true,
  },
  {
    name: 'violet',
    words: ['purple', 'violet', 'lavender', 'magic', 'fantasy', 'neon', 'cyberpunk', 'robot', 'future'],
    sky: ['#241249', '#7b3f98', '#f49ac1'],
    light: '#ffe9f3',
    glow: '#ff9fd0',
    far: '#9a5aa8',
    near: '#150a2e',
    stars: true,
  },
  {
    name: 'desert',
    words: ['desert', 'sand', 'dune', 'dunes', 'gold', 'golden', 'yellow', 'lion', 'egypt', 'canyon'],
    sky: ['#4f86a6', '#e6c79c', '#fbe7bd'],
    light: '#fffaf0',
    glow: '#fff0c0',
    far: '#e0b070',
    near: '#6a3420',
    stars: false,
  },
  {
    name: 'frost',
    words: ['snow', 'winter', 'ice', 'white', 'frost', 'arctic', 'penguin', 'siamese', 'cold'],
    sky: ['#54749c', '#a9c4da', '#f5f3f0'],
    light: '#ffffff',
    glow: '#ffffff',
    far: '#b7cbdc',
    near: '#263e5c',
    stars: false,
  },
];

/** The palette a word of the prompt asks for, else one by chance. */
export function choosePalette(prompt: string, random: Random): Palette {
  const byChance = random.pick(PALETTES);
  const words = wordsOf(prompt);
  return PALETTES.find((palette) => palette.words.some((word) => words.has(word))) ?? byChance;
}

export function wordsOf(prompt: string): Set<string> {
  return new Set(prompt.toLowerCase().match(/[a-z]+/g) ?? []);
}

/** `#rrggbb` between two colours; 0 = the first. */
export function mix(from: string, to: string, share: number): string {
  const channel = (color: string, at: number) => Number.parseInt(color.slice(at, at + 2), 16);
  const blend = (at: number) => Math.round(channel(from, at) + (channel(to, at) - channel(from, at)) * share);
  return `#${[1, 3, 5].map((at) => blend(at).toString(16).padStart(2, '0')).join('')}`;
}
