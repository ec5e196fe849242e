// Compose's substitution of variables, as far as docker-compose.yml uses it: ${NAME}, :-, :? and :+, nested.

type Env = Readonly<Record<string, string | undefined>>;

/** All texts of a parsed YAML document with their variables put in. Throws with the message of a missing `:?`. */
export function interpolate<T>(value: T, env: Env): T {
  if (typeof value === 'string') return fill(value, env) as T;
  if (Array.isArray(value)) return value.map((item: unknown) => interpolate(item, env)) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, interpolate(inner, env)])) as T;
}

function fill(text: string, env: Env): string {
  const start = text.indexOf('${');
  if (start < 0) return text;
  const end = closingBrace(text, start);
  return text.slice(0, start) + resolve(text.slice(start + 2, end), env) + fill(text.slice(end + 1), env);
}

function closingBrace(text: string, start: number): number {
  let depth = 0;
  for (let at = start; at < text.length; at += 1) {
    if (text.startsWith('${', at)) depth += 1;
    if (text[at] === '}') depth -= 1;
    if (text[at] === '}' && depth === 0) return at;
  }
  throw new Error(`no } for the \${ of ${text}`);
}

/** `expression` is what stands between the braces. */
function resolve(expression: string, env: Env): string {
  const [, name = '', operator = '', rest = ''] = /^([A-Z0-9_]+)(:[-?+])?([^]*)$/.exec(expression) ?? [];
  if (name === '') throw new Error(`not understood: \${${expression}}`);
  const value = env[name] ?? '';
  if (operator === ':+') return value === '' ? '' : fill(rest, env);
  if (value !== '') return value;
  if (operator === ':?') throw new Error(`${name}: ${rest}`);
  if (operator === ':-') return fill(rest, env);
  return '';
}
