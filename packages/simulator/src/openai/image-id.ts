/**
 * Writes an id into the bytes of an encoded image and finds it again, without touching the picture:
 * PNG: a tEXt chunk `darkroom-sim-id`; JPEG: a COM segment; WebP: a chunk of its own after the picture.
 */
import { crc32 } from 'node:zlib';
import type { OutputFormat } from './models.ts';

const KEYWORD = 'darkroom-sim-id';
/** PNG signature and IHDR chunk: the first place a chunk may be added. */
const PNG_HEAD_BYTES = 33;
const WEBP_CHUNK = 'dsID';

/** Returns new bytes; about as fast as copying them. */
export function embedImageId(bytes: Buffer, format: OutputFormat, id: string): Buffer {
  if (format === 'png') return embedInPng(bytes, id);
  return format === 'jpeg' ? embedInJpeg(bytes, id) : embedInWebp(bytes, id);
}

/** The id written by `embedImageId`, or null if these bytes carry none or are no PNG, JPEG or WebP. */
export function findImageId(bytes: Uint8Array): string | null {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (buffer.length > PNG_HEAD_BYTES && buffer.toString('latin1', 1, 4) === 'PNG') return findInPng(buffer);
  if (buffer.length > 4 && buffer.readUInt16BE(0) === 0xffd8) return findInJpeg(buffer);
  if (buffer.length > 12 && buffer.toString('latin1', 8, 12) === 'WEBP') return findInWebp(buffer);
  return null;
}

function embedInPng(bytes: Buffer, id: string): Buffer {
  const typed = Buffer.from(`tEXt${KEYWORD}\0${id}`, 'latin1');
  const chunk = Buffer.alloc(typed.length + 8);
  chunk.writeUInt32BE(typed.length - 4, 0);
  typed.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(typed), typed.length + 4);
  return Buffer.concat([bytes.subarray(0, PNG_HEAD_BYTES), chunk, bytes.subarray(PNG_HEAD_BYTES)]);
}

function findInPng(bytes: Buffer): string | null {
  for (let at = 8; at + 12 <= bytes.length; at += 12 + bytes.readUInt32BE(at)) {
    const data = bytes.subarray(at + 8, at + 8 + bytes.readUInt32BE(at));
    if (bytes.toString('latin1', at + 4, at + 8) === 'tEXt') {
      const id = withoutKeyword(data, '\0');
      if (id !== null) return id;
    }
  }
  return null;
}

function embedInJpeg(bytes: Buffer, id: string): Buffer {
  const text = Buffer.from(`${KEYWORD}=${id}`, 'latin1');
  const head = Buffer.from([0xff, 0xfe, 0, 0]);
  head.writeUInt16BE(text.length + 2, 2);
  return Buffer.concat([bytes.subarray(0, 2), head, text, bytes.subarray(2)]);
}

function findInJpeg(bytes: Buffer): string | null {
  for (let at = 2; at + 4 <= bytes.length; at += 2 + bytes.readUInt16BE(at + 2)) {
    const marker = bytes.readUInt16BE(at);
    if (marker === 0xffda || marker < 0xff00) return null;
    if (marker === 0xfffe) {
      const id = withoutKeyword(bytes.subarray(at + 4, at + 2 + bytes.readUInt16BE(at + 2)), '=');
      if (id !== null) return id;
    }
  }
  return null;
}

function embedInWebp(bytes: Buffer, id: string): Buffer {
  const text = Buffer.from(`${KEYWORD}=${id}`, 'latin1');
  const chunk = Buffer.alloc(8 + text.length + (text.length % 2));
  chunk.write(WEBP_CHUNK, 0, 'latin1');
  chunk.writeUInt32LE(text.length, 4);
  text.copy(chunk, 8);
  const out = Buffer.concat([bytes, chunk]);
  out.writeUInt32LE(out.length - 8, 4);
  return out;
}

function findInWebp(bytes: Buffer): string | null {
  for (let at = 12; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt32LE(at + 4);
    if (bytes.toString('latin1', at, at + 4) === WEBP_CHUNK) {
      return withoutKeyword(bytes.subarray(at + 8, at + 8 + length), '=');
    }
    at += 8 + length + (length % 2);
  }
  return null;
}

function withoutKeyword(data: Buffer, separator: string): string | null {
  const text = data.toString('latin1');
  const prefix = KEYWORD + separator;
  return text.startsWith(prefix) ? text.slice(prefix.length) : null;
}
