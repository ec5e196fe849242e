// Input images of tests: PNGs written by hand, each of its own colour unless told otherwise, the smallest real JPEG and
// WebP files, and files that are not what they seem.
import { createHash, randomBytes } from 'node:crypto';
import { constants, crc32, deflateRawSync, deflateSync } from 'node:zlib';

interface PngOptions {
  /** Default: `width`. */
  readonly height?: number;
  /** `hole`: the upper half is fully transparent. */
  readonly alpha?: 'none' | 'opaque' | 'hole';
  /** Pixels nothing can compress, so that the file is as large as its pixels. */
  readonly isNoise?: boolean;
}

const SIGNATURE = Buffer.from('\x89PNG\r\n\x1a\n', 'latin1');

export function png(width: number, { height = width, alpha = 'none', isNoise = false }: PngOptions = {}): Buffer {
  const channels = alpha === 'none' ? 3 : 4;
  const colour = randomBytes(3);
  const rows = Array.from({ length: height }, (_, y) => {
    const pixel = Buffer.from([...colour, alpha === 'hole' && y < height / 2 ? 0 : 255]).subarray(0, channels);
    const pixels = isNoise ? randomBytes(width * channels) : Buffer.alloc(width * channels, pixel);
    return Buffer.concat([Buffer.of(0), pixels]);
  });
  return assemblePng(width, height, channels, deflateSync(Buffer.concat(rows), { level: isNoise ? 0 : 6 }));
}

/** A sound PNG of about 1 MB whose pixels take 1 GB. */
export function pngBomb(): Buffer {
  const edge = 16_000;
  const pieces = 1_000;
  const piece = deflateRawSync(Buffer.alloc(edge * 64), { finishFlush: constants.Z_FULL_FLUSH });
  const length = edge * (edge * 4 + 1);
  const rest = deflateRawSync(Buffer.alloc(length - pieces * edge * 64));
  // The Adler-32 of zeros alone: the low half stays 1, the high half counts them.
  const checksum = Buffer.alloc(4);
  checksum.writeUInt16BE(length % 65_521, 0);
  checksum.writeUInt16BE(1, 2);
  const zeros = Buffer.concat([Buffer.of(0x78, 0x01), ...Array.from({ length: pieces }, () => piece), rest, checksum]);
  return assemblePng(edge, edge, 4, zeros);
}

/** Width and height as a PNG's header has them. */
export function sizeOfPng(bytes: Buffer): readonly [width: number, height: number] {
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}

/** 40 × 40 pixels. */
export const JPEG = Buffer.from(
  '/9j/2wBDABQUFBQVFBcZGRcfIh4iHy4rJycrLkYyNjI2MkZqQk5CQk5Cal5yXVZdcl6phXZ2hanDpJukw+zT0+z/////////2wBDARQUFBQVFBcZGRcf' +
    'Ih4iHy4rJycrLkYyNjI2MkZqQk5CQk5Cal5yXVZdcl6phXZ2hanDpJukw+zT0+z/////////wgARCAAoACgDASIAAhEBAxEB/8QAGgAAAgMBAQAAAAAA' +
    'AAAAAAAAAAMBBAUCBv/EABkBAAIDAQAAAAAAAAAAAAAAAAMFAQIGBP/aAAwDAQACEAMQAAAA8rddz31VdbAWaTTAsMy62IxabruQtFGkBYZl0Jx0XQCz' +
    '5AVM/wD/xAAVEAEBAAAAAAAAAAAAAAAAAAACAP/aAAgBAQABPwAiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIiIi/8QAIBEAAAQGAwAAAAAAAAAAAAAAAAEC' +
    'gQMEEhQxYiNjof/aAAgBAgEBPwBUSy3rbAVEst62wDlO3wKiWW9bYCollvW2Acp2+CSM+VhJGfKwMzH/xAAaEQADAAMBAAAAAAAAAAAAAAAAAgMBEiER' +
    '/9oACAEDAQE/AJV2JV2FvwlXYlXYW/BGzwRs8FbPh//Z',
  'base64',
);

/** 40 × 40 pixels. */
export const WEBP = Buffer.from(
  'UklGRroAAABXRUJQVlA4IK4AAACwBQCdASooACgAPvViqlA/v6QivHgIA/AeiWwBOuf0lmW+MOIenchlE0BL+7kHy9heSO1g+AAA/u1nacHkin8rXZpB' +
    'aT+rMv2yjPeRqOP0uCuwhX1yzGvyoFKIITGu1+nB/g7/VXnlG5T05cM79ZeNhOaxSpYt/2Yv565HQoXCCm74pfFT7te65CUpvMjXyjfnHS7/IgzVNyE/' +
    'HcUjjnNFuf0axKfE4hN07/5wAAA=',
  'base64',
);

export const SVG = Buffer.from(
  '<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"><rect width="64"/></svg>',
);

/** One pixel. */
export const GIF = Buffer.from('R0lGODlhAQABAIAAAAAAAP///ywAAAAAAQABAAACAUwAOw==', 'base64');

export function dataUrl(bytes: Buffer, type = 'image/png'): string {
  return `data:${type};base64,${bytes.toString('base64')}`;
}

export function sha256Of(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function assemblePng(width: number, height: number, channels: 3 | 4, pixels: Buffer): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, channels === 4 ? 6 : 2], 8);
  return Buffer.concat([SIGNATURE, chunk('IHDR', header), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(data.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
