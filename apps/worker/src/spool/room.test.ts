import { expect, test } from 'vitest';
import { roomOf } from './room.ts';

const MIB = 1_024 ** 2;

test.each<[string, object, number, number]>([
  ['a given size takes four bytes a pixel', { size: '1024x1536' }, 1, 6 * MIB],
  ['each image takes its own', { size: '512x512' }, 10, 10 * MIB],
  ['auto takes 8 MiB an image', { size: 'auto' }, 3, 24 * MIB],
  ['no size takes 8 MiB an image', {}, 1, 8 * MIB],
  ['what is no size takes 8 MiB an image', { size: '1024x' }, 1, 8 * MIB],
  ['a size that is no text takes 8 MiB an image', { size: 1024 }, 1, 8 * MIB],
])('%s', (_, body, images, bytes) => {
  expect(roomOf({ ...body }, images)).toBe(bytes);
});
