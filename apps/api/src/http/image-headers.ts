// The reply headers of an image. What is served was made by a model from a caller's words: browsers must take it for
// nothing but an image, and an SVG, which can hold scripts, is handed over as a download in a sandbox.
import type { ImageRow } from '@darkroom/shared/jobs/record.ts';

const EXTENSIONS: Readonly<Record<string, string>> = {
  'image/png': 'png',
  'image/jpeg': 'jpg',
  'image/webp': 'webp',
  'image/gif': 'gif',
  'image/svg+xml': 'svg',
};

export function imageHeaders(imageId: string, image: Pick<ImageRow, 'contentType' | 'sha256'>) {
  const isSvg = image.contentType === 'image/svg+xml';
  const filename = `${imageId}.${EXTENSIONS[image.contentType] ?? 'bin'}`;
  return {
    'content-type': image.contentType,
    'content-disposition': `${isSvg ? 'attachment' : 'inline'}; filename="${filename}"`,
    etag: `"${image.sha256}"`,
    'accept-ranges': 'bytes',
    'cache-control': 'private, max-age=31536000, immutable',
    'x-content-type-options': 'nosniff',
    'cross-origin-resource-policy': 'cross-origin',
    ...(isSvg ? { 'content-security-policy': "sandbox; default-src 'none'; style-src 'unsafe-inline'" } : {}),
  };
}
