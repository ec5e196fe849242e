// A multipart edit with an image of 10 MB: POST to answer less the upstream's time. The image is streamed, measured pixel
// by pixel, stored, read again by the worker and sent on. Against a bare route that streams the same form to disk.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withStack } from './support/bench-stack.ts';
import { noisePng } from './support/noise-png.ts';
import { startProcess } from './support/processes.ts';
import { megabytes, ms, percentile, type Row, ratio } from './support/row.ts';
import { memory } from './support/usage.ts';

const UPSTREAM_MS = 50;
/** 1,826² pixels of noise at 3 bytes: 10 MB. */
const SIDE = 1_826;
const SAMPLES = 20;
const WARM_UP = 3;
const AT_ONCE = 10;

export async function measureEditUpload(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'darkroom-bench-'));
  const upstream = await startProcess('upstream', ['--side', '256', '--delay-ms', String(UPSTREAM_MS)]);
  const bare = await startProcess('bare-upload', [directory, String(UPSTREAM_MS)]);
  try {
    const ceiling = await timeEach(bare.url);
    return await withStack({ upstreamUrl: upstream.url }, async (stack) => {
      const ours = await timeEach(stack.apiUrl);
      await Promise.all(Array.from({ length: AT_ONCE }, () => edit(stack.apiUrl)));
      const peaks = [stack.api, ...stack.workers].map(({ pid }) => memory(pid).peakBytes);
      return [
        ...[0.5, 0.99].map((share) => toRow(share, percentile(ours, share), percentile(ceiling, share))),
        {
          what: `  api and worker at their peaks, ${AT_ONCE} at once`,
          measured: peaks.map(megabytes).join(', '),
          ceiling: '',
          ratio: '',
        },
      ];
    });
  } finally {
    await upstream.child.stop();
    await bare.child.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}

function toRow(share: number, time: number, ceilingTime: number): Row {
  const [measured, ceiling] = [time - UPSTREAM_MS, ceilingTime - UPSTREAM_MS];
  return {
    what: `edit of 10 MB: added to ${UPSTREAM_MS} ms, p${share * 100} (ceiling: bare Fastify, form to disk)`,
    measured: ms(measured),
    ceiling: ms(ceiling),
    ratio: ratio(measured, ceiling),
  };
}

async function timeEach(baseUrl: string): Promise<number[]> {
  const times: number[] = [];
  for (let index = -WARM_UP; index < SAMPLES; index += 1) {
    const took = await edit(baseUrl);
    if (index >= 0) times.push(took);
  }
  return times;
}

/** Each time another image, so that nothing is known of it. Making it does not count. */
async function edit(baseUrl: string): Promise<number> {
  const form = new FormData();
  form.set('model', 'gpt-image-2.6-flare');
  form.set('prompt', 'make it snow');
  form.set('response_format', 'url');
  form.set('image', new File([Uint8Array.from(noisePng(SIDE))], 'image.png', { type: 'image/png' }));
  const startedAt = performance.now();
  const reply = await fetch(`${baseUrl}/v1/images/edits`, { method: 'POST', body: form });
  const text = await reply.text();
  if (reply.status !== 200) throw new Error(`the edit failed: ${reply.status} ${text.slice(0, 300)}`);
  return performance.now() - startedAt;
}
