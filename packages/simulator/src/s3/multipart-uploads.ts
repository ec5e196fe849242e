/** Multipart uploads: create, upload part, list, complete, abort. */
import { createHash, randomBytes } from 'node:crypto';
import { requireWritable } from './conditions.ts';
import { describeNew } from './object-operations.ts';
import type { NewObject } from './object-store.ts';
import { readPayload } from './read-payload.ts';
import { type S3Call, sendEmpty, sendXml } from './s3-call.ts';
import { S3Error } from './s3-error.ts';
import { element, textsOf, xmlDocument } from './xml.ts';

interface Upload {
  bucket: string;
  key: string;
  initiated: Date;
  described: Pick<NewObject, 'contentType' | 'metadata' | 'headers'>;
  parts: Map<number, { data: Buffer; md5: Buffer }>;
}

export class MultipartUploads {
  readonly #uploads = new Map<string, Upload>();

  create(call: S3Call): void {
    const id = randomBytes(16).toString('hex');
    const { bucket, key } = call;
    this.#uploads.set(id, {
      bucket,
      key,
      initiated: new Date(),
      described: describeNew(call.req.headers),
      parts: new Map(),
    });
    const content = element('Bucket', bucket) + element('Key', key) + element('UploadId', id);
    sendXml(call, xmlDocument('InitiateMultipartUploadResult', content));
  }

  /** Uploads that were neither completed nor aborted. */
  list(call: S3Call): void {
    const open = [...this.#uploads].filter(([, { bucket }]) => bucket === call.bucket);
    const entries = open.map(
      ([id, { key, initiated }]) =>
        `<Upload>${element('Key', key)}${element('UploadId', id)}${element('Initiated', initiated.toISOString())}</Upload>`,
    );
    const content = element('Bucket', call.bucket) + element('IsTruncated', 'false') + entries.join('');
    sendXml(call, xmlDocument('ListMultipartUploadsResult', content));
  }

  async uploadPart(call: S3Call): Promise<void> {
    const { data, checksums } = await readPayload(call.req, call.verified);
    const md5 = createHash('md5').update(data).digest();
    this.#require(call).parts.set(Number(call.query.get('partNumber')), { data, md5 });
    sendEmpty(call, 200, { etag: `"${md5.toString('hex')}"`, ...checksums });
  }

  /** The parts named, in the order named, become one object. */
  async complete(call: S3Call): Promise<void> {
    const xml = (await readPayload(call.req, call.verified)).data.toString('utf8');
    const upload = this.#require(call);
    const parts = textsOf(xml, 'PartNumber').map((number) => upload.parts.get(Number(number)));
    if (parts.length === 0 || parts.some((part) => part === undefined)) throw new S3Error('InvalidPart');
    const present = parts.filter((part) => part !== undefined);
    requireWritable(call.req.headers, call.store.get(call.bucket, call.key));
    const digest = createHash('md5')
      .update(Buffer.concat(present.map((part) => part.md5)))
      .digest('hex');
    const data = Buffer.concat(present.map((part) => part.data));
    const etag = `"${digest}-${parts.length}"`;
    call.store.put(upload.bucket, { key: upload.key, data, etag, ...upload.described });
    this.#uploads.delete(call.query.get('uploadId') ?? '');
    const content = element('Bucket', upload.bucket) + element('Key', upload.key) + element('ETag', etag);
    sendXml(call, xmlDocument('CompleteMultipartUploadResult', content));
  }

  abort(call: S3Call): void {
    this.#require(call);
    this.#uploads.delete(call.query.get('uploadId') ?? '');
    sendEmpty(call, 204);
  }

  #require(call: S3Call): Upload {
    const upload = this.#uploads.get(call.query.get('uploadId') ?? '');
    if (upload === undefined || upload.bucket !== call.bucket || upload.key !== call.key)
      throw new S3Error('NoSuchUpload');
    return upload;
  }
}
