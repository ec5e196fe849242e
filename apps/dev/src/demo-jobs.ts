// What the demo asks for: a mix a real caller would send.
import { DEMO_PROMPTS } from './demo-prompts.ts';

export interface DemoJob {
  /** Shown beside its progress bar. */
  readonly title: string;
  /** Body of POST /v1/jobs. */
  readonly body: {
    readonly operation: 'generation';
    readonly input: Readonly<Record<string, unknown>> & { readonly prompt: string };
    readonly priority: 'normal' | 'low';
    readonly metadata: Readonly<Record<string, string>>;
  };
}

/** Only the refused job uses it, so that a refusal ordered for this model meets no other. */
export const REFUSED_MODEL = 'gpt-image-2.5-sunburst';

type Wish = readonly [title: string, input: Readonly<Record<string, unknown>>, priority?: 'low'];

const WISHES: readonly Wish[] = [
  ['DALL·E 3, hd, 4 images', { model: 'dall-e-3', quality: 'hd', n: 4, size: '1024x1024' }],
  ['10 images, one call', { model: 'gpt-image-2', quality: 'low', n: 10, size: '1024x1024' }],
  [
    'transparent webp',
    {
      model: 'gpt-image-2.5-flare',
      quality: 'low',
      size: '1024x1024',
      background: 'transparent',
      output_format: 'webp',
    },
  ],
  ['DALL·E 3, 1792x1024', { model: 'dall-e-3', size: '1792x1024' }],
  ['portrait 1024x1536', { model: 'gpt-image-2.6-flare', quality: 'medium', n: 2, size: '1024x1536' }],
  [
    'landscape jpeg',
    { model: 'gpt-image-2.6-flare', quality: 'medium', n: 2, size: '1536x1024', output_format: 'jpeg' },
  ],
  ['DALL·E 2, 512x512', { model: 'dall-e-2', n: 3, size: '512x512' }],
  ['low priority, 2048x1152', { model: 'gpt-image-2.6-flare', quality: 'low', n: 2, size: '2048x1152' }, 'low'],
];

const REFUSED_WISH: Wish = ['to be refused', { model: REFUSED_MODEL, quality: 'low', size: '1024x1024' }];

/** The jobs, with prompts from `first` on, round the list. The refused one only where a refusal can be ordered. */
export function buildDemoJobs(first: number, hasRefused: boolean): DemoJob[] {
  const wishes = hasRefused ? [...WISHES, REFUSED_WISH] : WISHES;
  return wishes.map(([title, input, priority], index) => ({
    title,
    body: {
      operation: 'generation',
      input: { ...input, prompt: DEMO_PROMPTS[(first + index) % DEMO_PROMPTS.length] ?? '' },
      priority: priority ?? 'normal',
      metadata: { demo: title },
    },
  }));
}
