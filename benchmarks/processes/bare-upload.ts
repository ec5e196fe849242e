// The ceiling of an upload: a bare Fastify route that streams a form's file to disk, syncs it, and waits as long as the
// upstream would. No checks, no measuring, no record, no queue, no image in return.
//   node bare-upload.ts <directory> <ms>
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import multipart from '@fastify/multipart';
import { fastify } from 'fastify';

const [directory = '', ms = '0'] = process.argv.slice(2);
const app = fastify();
await app.register(multipart, { limits: { fileSize: Number.POSITIVE_INFINITY } });
app.post('/v1/images/edits', async (request) => {
  for await (const part of request.parts()) {
    if (part.type !== 'file') continue;
    const file = await open(join(directory, 'upload'), 'w');
    for await (const chunk of part.file) await file.write(chunk as Buffer);
    await file.sync();
    await file.close();
  }
  await sleep(Number(ms));
  return {};
});
console.log(`listening on ${await app.listen({ host: '127.0.0.1', port: 0 })}`);
