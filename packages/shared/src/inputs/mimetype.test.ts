import { describe, expect, test } from 'vitest';
import { mimetypeOf } from './mimetype.ts';

describe('what bytes are', () => {
  test.each([
    ['\x89PNG\r\n\x1a\n', 'image/png'],
    ['\xff\xd8\xff\xe0', 'image/jpeg'],
    ['RIFF\x40\0\0\0WEBPVP8 ', 'image/webp'],
    ['GIF89a', 'image/gif'],
    ['<?xml version="1.0"?>\n<svg width="1" height="1"/>', 'image/svg+xml'],
    ['II*\0\x08\0\0\0', 'image/tiff'],
    ['MM\0*\0\0\0\x08', 'image/tiff'],
    ['BM\x46\0\0\0', 'image/bmp'],
    ['\0\0\x01\0\x01\0', 'image/vnd.microsoft.icon'],
    ['8BPS\0\x01', 'image/vnd.adobe.photoshop'],
    ['\0\0\0\x20ftypheic\0\0\0\0', 'image/heic'],
    ['\0\0\0\x20ftypmif1\0\0\0\0', 'image/heif'],
    ['\0\0\0\x20ftypavif\0\0\0\0', 'image/avif'],
    ['\0\0\0\x20ftypisom\0\0\0\0', 'video/mp4'],
    ['\0\0\0\x0cJXL \r\n\x87\n', 'image/jxl'],
    ['%PDF-1.7\n', 'application/pdf'],
    ['PK\x03\x04\x14\0', 'application/zip'],
    ['\x1f\x8b\x08\0', 'application/gzip'],
    ['  <!DOCTYPE html><html></html>', 'text/html'],
    ['<html><svg width="1" height="1"/></html>', 'text/html'],
    ['<?xml version="1.0"?><note/>', 'application/xml'],
    ['{"error":{}}', 'application/json'],
    ['just a text\n', 'text/plain'],
    ['\0\x01\x02\x03', 'application/octet-stream'],
    ['RIFF\x40\0\0\0WAVEfmt ', 'application/octet-stream'],
  ])('%j: %s', (text, expected) => expect(mimetypeOf(Buffer.from(text, 'latin1'))).toBe(expected));

  test('nothing is nothing', () => expect(mimetypeOf(Buffer.alloc(0))).toBeNull());

  test('a text cut in the middle of a character is still a text', () => {
    expect(mimetypeOf(Buffer.from('café').subarray(0, 4))).toBe('text/plain');
  });
});
