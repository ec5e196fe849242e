// The bytes of an image, for whoever holds a signed link or the account's key. Read through this process from disk;
// from S3 by a short-lived link to the bucket.
import { ServiceError } from '@darkroom/shared/base/errors.ts';
import { parseImageId } from '@darkroom/shared/base/ids.ts';
import { verifyImageLink } from '@darkroom/shared/images/signed-links.ts';
import type { ImageRow } from '@darkroom/shared/jobs/record.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import type { Deps } from '../deps.ts';
import type { App } from '../http/app.ts';
import { matchesEtag } from '../http/byte-range.ts';
import { imageHeaders } from '../http/image-headers.ts';
import { type Query, readQuery } from '../http/query.ts';
import { type StoredBytes, sendStored, sendStoredHead } from '../http/stored-bytes.ts';
import { imageContentOperation } from '../openapi/image-operations.ts';

const PRESIGN_SECONDS = 300;

type ImageDeps = Pick<Deps, 'config' | 'redis' | 'keys' | 'store' | 'signingSecret'>;

export function registerImageContent(app: App, deps: ImageDeps): void {
  app.route({
    url: '/v1/images/:id/content',
    method: ['GET', 'HEAD'],
    config: { access: 'link', operation: imageContentOperation },
    handler: async (request, reply) => {
      const { id } = request.params as { id: string };
      const query = readQuery(request, { names: ['exp', 'sig'] });
      const isLink = request.account === '';
      if (isLink) assertLink(id, query, deps.signingSecret);
      const image = await findImage(id, isLink ? null : request.account, deps);
      request.jobId = parseImageId(id)?.jobId ?? '';
      const headers = imageHeaders(id, image);
      if (matchesEtag(request.headers['if-none-match'], headers.etag)) {
        return reply.code(304).headers({ etag: headers.etag, 'cache-control': headers['cache-control'] }).send();
      }
      const stored: StoredBytes = { ...image, headers, missing: () => noSuchImage(id) };
      if (request.method === 'HEAD') return sendStoredHead(deps.store, stored, reply);
      const url = await deps.store.presign(image.key, {
        expiresSeconds: PRESIGN_SECONDS,
        contentType: image.contentType,
        disposition: headers['content-disposition'],
      });
      if (url !== null) return reply.header('cache-control', 'no-store').redirect(url, 302);
      return sendStored(deps.store, stored, request, reply);
    },
  });
}

/** Throws ServiceError `invalid_signature`. */
function assertLink(imageId: string, query: Query, secret: string): void {
  const [exp, sig] = [query.get('exp') ?? '', query.get('sig') ?? ''];
  const verdict = verifyImageLink({ imageId, exp, sig, secret, nowSeconds: Date.now() / 1_000 });
  if (verdict === 'valid') return;
  const reason = verdict === 'expired' ? 'has expired' : 'is not valid';
  throw new ServiceError('invalid_signature', `This image link ${reason}. Ask for the job again to get a new one.`);
}

/** `account` null: the link was checked. Throws `not_found`, the same for missing images and those of others. */
async function findImage(id: string, account: string | null, { redis, keys }: ImageDeps): Promise<ImageRow> {
  const place = parseImageId(id);
  const record = place === null ? null : await readJob(redis, keys, place.jobId);
  const image = place === null ? undefined : record?.images.get(place.index);
  if (image === undefined || (account !== null && record?.spec.account !== account)) throw noSuchImage(id);
  return image;
}

function noSuchImage(id: string): ServiceError {
  return new ServiceError('not_found', `No image found with id '${id.slice(0, 64)}'.`, { param: 'id' });
}
