import { describe, expect, test } from 'vitest';
import { openStore, parseStorageUrl } from './open-store.ts';

describe('STORAGE_URL', () => {
  test.each([
    ['file:./data/images', { kind: 'disk', path: './data/images' }],
    ['file:/var/images', { kind: 'disk', path: '/var/images' }],
    ['file:///var/images', { kind: 'disk', path: '/var/images' }],
    ['file:with space/ä%20', { kind: 'disk', path: 'with space/ä%20' }],
    ['s3://darkroom', { kind: 's3', bucket: 'darkroom', prefix: '' }],
    ['s3://darkroom/', { kind: 's3', bucket: 'darkroom', prefix: '' }],
    ['s3://my.bucket-1/prod/eu', { kind: 's3', bucket: 'my.bucket-1', prefix: 'prod/eu/' }],
    ['s3://my.bucket-1/prod/eu/', { kind: 's3', bucket: 'my.bucket-1', prefix: 'prod/eu/' }],
  ])('%s', (url, expected) => expect(parseStorageUrl(url)).toEqual(expected));

  test.each([
    '',
    'data/images',
    '/data/images',
    'file:',
    'file://host/images',
    'file:a\0b',
    's3:bucket',
    's3://',
    's3://Bucket',
    's3://b',
    's3://bucket//x',
    's3://bucket/../x',
    's3://bucket/a b',
    's3://key:secret@bucket',
    'https://bucket.s3.amazonaws.com',
    'gs://bucket',
  ])('%j is refused, naming it and what is allowed', (url) => {
    expect(() => parseStorageUrl(url)).toThrow(RangeError);
    expect(() => parseStorageUrl(url)).toThrow(JSON.stringify(url));
    expect(() => parseStorageUrl(url)).toThrow('s3://bucket/prefix');
  });

  test('an endpoint that is no URL is refused', async () => {
    await expect(openStore({ url: 's3://bucket', endpoint: 'localhost' })).rejects.toThrow('"localhost"');
  });
});
