import { describe, expect, it } from 'vitest';
import { keysOf } from './keys.ts';

const keys = keysOf('shop');
const names = Object.entries(keys).map(([name, key]): [name: string, made: string] => [
  name,
  // Braces of a caller must not become a hash tag of their own.
  typeof key === 'function' ? key('{a}', '{b}') : (key as string),
]);

describe('every key and channel lies in one slot of a Redis Cluster', () => {
  it.each(names)('%s', (_name, made) => {
    expect(made.startsWith('{shop}')).toBe(true);
    // Redis takes what stands between the first `{` and the first `}` after it.
    expect(/\{([^}]*)\}/.exec(made)?.[1]).toBe('shop');
  });

  it('and no two names share one', () => {
    expect(names.length).toBeGreaterThan(40);
    expect(new Set(names.map(([, made]) => made)).size).toBe(names.length);
  });
});
