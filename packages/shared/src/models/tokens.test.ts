import { expect, test } from 'vitest';
import { estimateTokens } from './tokens.ts';

test.each([
  // 1,756 output tokens: openai-images.md 6.3; a prompt of 8 characters is two tokens
  ['gpt-image-2', { prompt: 'a cat, a', quality: 'medium', size: '1024x1024' }, 1, 1_758],
  ['gpt-image-2', { prompt: 'a cat, a', quality: 'medium', size: '1024x1024' }, 3, 5_270],
  ['gpt-image-2.6-flare', { prompt: '', quality: 'auto', size: 'auto' }, 1, 1_756],
  ['gpt-image-2.6-flare', { prompt: '' }, 2, 3_512],
  // a patch budget of 1,536 for an input image: openai-images.md 6.4
  ['gpt-image-2.6-flare', { prompt: '', quality: 'low', size: '1024x1024', images: [{}, {}] }, 1, 196 + 2 * 1_536],
  ['gpt-image-1.5', { prompt: '', quality: 'low', size: '1024x1024', images: [{}, {}] }, 1, 272],
  ['dall-e-3', { prompt: 'a cat' }, 1, 0],
  ['some-other-model', { prompt: 'a cat' }, 1, 0],
])('%s %j for %d images takes %d tokens', (model, body, images, tokens) => {
  expect(estimateTokens(model, body, images)).toBe(tokens);
});
