// The fields of OpenAI's image requests as a table: which operations have them, and what a model's rules allow in
// them. Adding a field or an operation is a row here and facts in openai.json.
import type { ModelRules, Operation } from '../models/rules.ts';
import type { Allowed } from './allowed.ts';

export interface FieldSpec {
  name: string;
  operations: readonly Operation[];
  required: boolean;
  /** What the model takes in this field; null: it does not take the field. */
  allowed: (rules: ModelRules) => Allowed | null;
  /** The output formats a value needs; null: any. */
  formats: (rules: ModelRules, value: unknown) => readonly string[] | null;
}

const ALL: readonly Operation[] = ['generation', 'edit', 'variation'];
const WITH_PROMPT: readonly Operation[] = ['generation', 'edit'];

type Limits = Partial<Pick<FieldSpec, 'required' | 'formats'>>;

function field(
  name: string,
  operations: readonly Operation[],
  allowed: FieldSpec['allowed'],
  limits: Limits = {},
): FieldSpec {
  return { name, operations, allowed, required: false, formats: () => null, ...limits };
}

/** Fields that are forwarded, with what a model's rules say about them, in the order they are sent. */
export const FIELDS: readonly FieldSpec[] = [
  field('prompt', WITH_PROMPT, ({ prompt }) => text(prompt.minLength, prompt.maxLength), { required: true }),
  field('size', ALL, ({ size }) => ({ kind: 'size', values: size.values, rule: size.kind === 'rule' ? size : null })),
  field('quality', WITH_PROMPT, ({ quality }) => choice(quality)),
  field('style', ['generation'], ({ style }) => choice(style)),
  field('background', WITH_PROMPT, ({ background }) => choice(background), {
    formats: ({ background }, value) => (value === 'transparent' ? (background?.transparentNeedsFormat ?? []) : null),
  }),
  field('output_format', WITH_PROMPT, ({ outputFormat: format }) =>
    choice(format && { values: [...format.values, ...format.previewOnly] }),
  ),
  field('output_compression', WITH_PROMPT, ({ outputCompression }) => integer(outputCompression), {
    formats: ({ outputCompression }) => outputCompression?.formats ?? [],
  }),
  field('moderation', WITH_PROMPT, ({ moderation }) => choice(moderation)),
  field('complexity', WITH_PROMPT, ({ complexity }) => choice(complexity)),
  field('input_fidelity', ['edit'], ({ inputFidelity }) => choice(inputFidelity)),
  field('frame_count', WITH_PROMPT, ({ gif }) => integer(gif && gif.frameCount), { formats: () => ['gif'] }),
  field('frame_duration_ms', WITH_PROMPT, ({ gif }) => integer(gif && gif.frameDurationMs), {
    formats: () => ['gif'],
  }),
  field('svg', WITH_PROMPT, ({ svg }) => svg && svgAuthor(svg.efforts), { formats: () => ['svg'] }),
  field('safety_identifier', WITH_PROMPT, ({ safetyIdentifier: id }) => id && text(0, id.maxLength)),
  field('user', ALL, ({ user }) => user && text(0, user.maxLength)),
];

/** Images one request may ask for, whatever the model: larger orders are fanned out over calls. */
export const MAX_IMAGES = 10;

/** Fields Darkroom answers for itself, the same for every model; none is forwarded as given. */
export const OWN_FIELDS: Readonly<Record<string, Allowed>> = {
  model: text(1, 256),
  n: { kind: 'integer', min: 1, max: MAX_IMAGES },
  response_format: { kind: 'choice', values: ['url', 'b64_json'] },
  stream: { kind: 'flag' },
  partial_images: { kind: 'integer', min: 0, max: 3 },
};

/** Fields that carry images, and the operations that have them; `image` of forms only. */
export const IMAGE_FIELDS: Readonly<Record<string, readonly Operation[]>> = {
  image: ['edit', 'variation'],
  images: ['edit', 'variation'],
  mask: ['edit'],
  markup: ['edit'],
};

export function fieldsOf(operation: Operation): FieldSpec[] {
  return FIELDS.filter((spec) => spec.operations.includes(operation));
}

function choice(rule: { values: readonly string[] } | null): Allowed | null {
  return rule && { kind: 'choice', values: rule.values };
}

function integer(rule: { min: number; max: number } | null): Allowed | null {
  return rule && { kind: 'integer', min: rule.min, max: rule.max };
}

function text(min: number, max: number | null): Allowed {
  return { kind: 'text', min, max };
}

/** Who draws an SVG and with how much thought (openai npm 7.57.0, `ImageGenerateParams.Svg`). */
function svgAuthor(efforts: readonly string[]): Allowed {
  const reasoning: Allowed = { kind: 'object', fields: { effort: { kind: 'choice', values: efforts } }, required: [] };
  return { kind: 'object', fields: { model: text(1, 256), reasoning }, required: ['model'] };
}
