// openai-images.md 2.2 and 2.4 (read 2026-11-22): which edits go as JSON.
import { describe, expect, test } from 'vitest';
import { editWireOf, jsonOnlyFieldsOf, longestImageUrlOf } from './edit-wire.ts';

describe('an edit', () => {
  test.each([
    ['gpt-image-2', { prompt: 'x', quality: 'low' }, 'multipart'],
    ['gpt-image-2', { prompt: 'x', moderation: 'low' }, 'json'],
    ['gpt-image-2-2026-04-21', { moderation: 'auto' }, 'json'],
    ['gpt-image-1.5', { moderation: 'low' }, 'json'],
    ['gpt-image-2.6-sunburst', { input_fidelity: 'high' }, 'multipart'],
    ['dall-e-2', { prompt: 'x', moderation: 'low' }, 'multipart'],
    ['gpt-image-3', { moderation: 'low' }, 'json'],
    ['gpt-image-3', {}, 'multipart'],
  ])('by %s with %j goes as %s', (model, body, wire) => {
    expect(editWireOf(model, body)).toBe(wire);
  });

  test('names the fields that make it JSON, and how long its URLs may be', () => {
    expect(jsonOnlyFieldsOf('gpt-image-3', { moderation: 'low', prompt: 'x' })).toEqual(['moderation']);
    expect(longestImageUrlOf('gpt-image-2')).toBe(20_971_520);
  });
});
