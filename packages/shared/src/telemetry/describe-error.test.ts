import { describe, expect, it } from 'vitest';
import { describeError } from './describe-error.ts';

describe('describeError', () => {
  it.each([
    ['a text', 'boom', { type: 'string', message: 'boom' }],
    ['undefined', undefined, { type: 'undefined', message: 'not an Error' }],
    ['an object', { secret: 1 }, { type: 'object', message: 'not an Error' }],
  ])('takes %s', (_what, thrown, described) => {
    expect(describeError(thrown)).toEqual(described);
  });

  it('shortens a long message and does not repeat it in the stack', () => {
    const described = describeError(new Error('x'.repeat(5_000)));
    expect(described.message).toMatch(/^x{2000}… \(5000 characters\)$/);
    expect(described.stack).not.toContain('xxx');
  });

  it('ends with a chain of causes that leads back to itself', () => {
    const error = new Error('loop');
    error.cause = error;
    expect(JSON.stringify(describeError(error)).match(/"message":"loop"/g)).toHaveLength(6);
  });
});
