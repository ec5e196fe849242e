// Reads declared environment variables: types, defaults, every problem at once. Holds no variable of its own and never
// touches process.env: each app's config.ts passes it in. The README's table is made from the same declarations.
import type { z } from 'zod';

export interface Variable<T> {
  readonly schema: z.ZodType<T, string>;
  /** What the variable is for, one line of the README table. */
  readonly about: string;
  /** What values may look like, as shown in errors and in the README. */
  readonly allowed: string;
  /** The text used when the variable is unset or empty; `undefined` means it has no default and may be absent. */
  readonly default: string | undefined;
  /** The value never appears in an error or a log. */
  readonly secret: boolean;
  /** Unset is a problem unless the variable of this name is set; null: it may be unset. */
  readonly requiredUnless: string | null;
}

export type Variables = Readonly<Record<string, Variable<unknown>>>;
type Value<V> = V extends Variable<infer T> ? T : never;
export type Values<V extends Variables> = { readonly [K in keyof V]: Value<V[K]> };

interface Facts {
  readonly about: string;
  readonly allowed: string;
  readonly secret?: boolean;
}

/** A variable with a default. */
export function variable<T>(schema: z.ZodType<T, string>, defaultText: string, facts: Facts): Variable<T> {
  return { schema, default: defaultText, secret: false, requiredUnless: null, ...facts };
}

/** A variable that may be absent: null then. */
export function optionalVariable<T>(schema: z.ZodType<T, string>, facts: Facts): Variable<T | null> {
  return { schema, default: undefined, secret: false, requiredUnless: null, ...facts };
}

/** A variable that must be set unless the other one is: null then. */
export function requiredUnless<T>(other: string, schema: z.ZodType<T, string>, facts: Facts): Variable<T | null> {
  return { schema, default: undefined, secret: false, requiredUnless: other, ...facts };
}

/** The same variable with one more check: what `parse` throws is wrong with it. */
export function refined<T>(declared: Variable<T>, parse: (value: T) => unknown): Variable<T> {
  const schema = declared.schema.superRefine((value, context) => {
    try {
      parse(value);
    } catch (error) {
      context.addIssue({ code: 'custom', message: error instanceof Error ? error.message : String(error) });
    }
  });
  return { ...declared, schema };
}

export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      `The environment has ${problems.length === 1 ? 'a wrong value' : `${problems.length} wrong values`}:\n${problems.map((problem) => `  ${problem}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

/** The values of all declared variables, or a ConfigError that names every wrong one. An empty string counts as unset. */
export function readVariables<V extends Variables>(
  variables: V,
  env: Readonly<Record<string, string | undefined>>,
): Values<V> {
  const problems: string[] = [];
  const entries = Object.entries(variables).map(([name, declared]) => {
    const text = env[name] === '' ? undefined : env[name];
    const used = text ?? declared.default;
    if (used === undefined) {
      const other = declared.requiredUnless;
      if (other !== null && !env[other]) problems.push(`${name} must be set, or ${other}: ${declared.allowed}`);
      return [name, null];
    }
    const parsed = declared.schema.safeParse(used);
    if (parsed.success) return [name, parsed.data];
    const reason = parsed.error.issues.map(describeIssue).join('; ');
    problems.push(
      `${name} may be ${declared.allowed}; it was ${declared.secret ? '(not shown)' : JSON.stringify(used)} (${reason})`,
    );
    return [name, null];
  });
  if (problems.length > 0) throw new ConfigError(problems);
  return Object.freeze(Object.fromEntries(entries)) as Values<V>;
}

/** «gpt-image-2.images_per_minute: too small …»: inside a JSON value the place is named. */
function describeIssue({ path, message }: { readonly path: readonly PropertyKey[]; readonly message: string }): string {
  return path.length === 0 ? message : `${path.map(String).join('.')}: ${message}`;
}
