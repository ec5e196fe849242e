// TEST ONLY. A process that streams a number of megabytes into the store at a URL and prints by how many bytes its
// memory grew: `node test-stream-child.ts <store url> <S3 endpoint> <MB>`.
import { resourceUsage } from 'node:process';
import { openStore } from './open-store.ts';
import { TEST_CREDENTIALS } from './test-s3.ts';

const CHUNK = 65_536;
const [url = '', endpoint = '', megabytes = '0'] = process.argv.slice(2);

async function* zeros(bytes: number): AsyncGenerator<Uint8Array> {
  for (let left = bytes; left > 0; left -= CHUNK) yield Buffer.alloc(Math.min(CHUNK, left));
}

const store = await openStore({ url, endpoint, forcePathStyle: true, credentials: TEST_CREDENTIALS });
const options = { contentType: 'application/jsonl' };
await store.putStream('warm', zeros(12_000_000), options);
const before = resourceUsage().maxRSS;
const stored = await store.putStream('long', zeros(Number(megabytes) * 1_000_000), options);
const grownBytes = (resourceUsage().maxRSS - before) * 1_024;
await store.close();
process.stdout.write(JSON.stringify({ stored: stored.bytes, grownBytes }));
