// The file OPENAI_KEYS_FILE names: the upstream keys, each with what belongs to it. Reads and checks it, and never shows a
// key: not in a problem, not in a log.
import { readFileSync } from 'node:fs';
import { limitsByName, type ToldLimits } from '@darkroom/shared/base/variables.ts';
import { z } from 'zod';

/** As listed; what is null comes from OPENAI_BASE_URL and LIMITS. */
export interface ListedKey {
  readonly name: string;
  readonly key: string;
  readonly baseUrl: string | null;
  readonly limits: ToldLimits | null;
}

/** What can stand in a header: a key with a line break would fail each call, as if the upstream were away. */
export const apiKey = z
  .string()
  .min(1, 'empty')
  .regex(/^[\x21-\x7e]*$/, 'has a space, a line break or another character no key has');

const listedKey = z.strictObject({
  name: z.string().regex(/^[a-z0-9-]{1,40}$/, 'not 1 to 40 lower-case letters, digits and `-`'),
  key: apiKey,
  base_url: z.url({ protocol: /^https?$/, error: 'not an http(s) URL' }).nullish(),
  limits: limitsByName.nullish(),
});

const listedKeys = z.array(listedKey).min(1, 'no key is listed').superRefine(refuseTwins);

/** Two names for one account would each use its limits to the full. */
function refuseTwins(keys: readonly z.infer<typeof listedKey>[], context: z.RefinementCtx): void {
  for (const [index, { name, key, base_url: url }] of keys.entries()) {
    const before = keys.slice(0, index);
    const refuse = (field: 'name' | 'key'): void =>
      context.addIssue({ code: 'custom', path: [index, field], message: 'is listed before' });
    if (before.some((other) => other.name === name)) refuse('name');
    if (before.some((other) => other.key === key && (other.base_url ?? '') === (url ?? ''))) refuse('key');
  }
}

/** A path → the keys its file lists, in their order. Every problem is an issue of its own, by its place in the file. */
export const keysFile: z.ZodType<readonly ListedKey[], string> = z
  .string()
  .min(1)
  .transform((path, context): readonly ListedKey[] => {
    const file = readJson(path);
    const keys = 'value' in file ? listedKeys.safeParse(file.value) : null;
    if (keys?.success) return keys.data.map(toListedKey);
    const issues = keys?.error.issues ?? [{ path: [], message: 'problem' in file ? file.problem : '' }];
    for (const issue of issues) {
      const place = issue.path.map((step) => (typeof step === 'string' ? withoutKeys(step) : step));
      context.addIssue({ code: 'custom', path: place, message: withoutKeys(issue.message) });
    }
    return z.NEVER;
  });

/** A JSON error quotes the text around it, which may be a key: only the place is told. */
function readJson(path: string): { readonly value: unknown } | { readonly problem: string } {
  try {
    return { value: JSON.parse(readFileSync(path, 'utf8')) as unknown };
  } catch (error) {
    if (!(error instanceof SyntaxError)) return { problem: `can’t be read: ${(error as NodeJS.ErrnoException).code}` };
    return { problem: ['not JSON', /position \d+/.exec(error.message)?.[0]].filter(Boolean).join(' at ') };
  }
}

/** Unknown fields are named, and whoever forgot a comma may have a key for a field. */
function withoutKeys(message: string): string {
  return message.replace(/\bsk-[^\s"]*|[A-Za-z0-9_-]{20,}[^\s"]*/g, '…');
}

function toListedKey({ name, key, base_url: baseUrl, limits }: z.infer<typeof listedKey>): ListedKey {
  return { name, key, baseUrl: baseUrl ?? null, limits: limits ?? null };
}
