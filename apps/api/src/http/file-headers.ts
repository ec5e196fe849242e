// The reply headers of a file's bytes. They are a caller's or made of a caller's words: a download, never a page.
import type { FileRecord } from '@darkroom/shared/files/file-record.ts';

export function fileHeaders({ contentType, filename, sha256 }: FileRecord) {
  return {
    'content-type': contentType,
    'content-disposition': attachmentOf(filename),
    etag: `"${sha256}"`,
    'accept-ranges': 'bytes',
    'cache-control': 'private, no-cache',
    'x-content-type-options': 'nosniff',
  };
}

/** RFC 6266: an ASCII name for old clients, beside it the true one when that says more. */
function attachmentOf(filename: string): string {
  const ascii = filename.replace(/[^ -~]|["\\%]/gu, '_');
  if (ascii === filename) return `attachment; filename="${ascii}"`;
  const encoded = encodeURIComponent(filename).replace(
    /['()*]/g,
    (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${encoded}`;
}
