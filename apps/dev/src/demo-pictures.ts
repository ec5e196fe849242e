// Puts a job's pictures into a folder under readable names, with one page that shows them all.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DarkroomClient, Job } from './demo-client.ts';
import type { DemoJob } from './demo-jobs.ts';

export interface Pictures {
  readonly directory: string;
  /** Downloads the images of the job, the `number`-th of the demo. */
  save(number: number, demoJob: DemoJob, job: Job): Promise<void>;
  /** Writes the page; resolves to its path. */
  writePage(): string;
}

export function openPictures(directory: string, client: DarkroomClient): Pictures {
  mkdirSync(directory, { recursive: true });
  const figures: { file: string; html: string }[] = [];
  return {
    directory,
    async save(number, { title, body }, job) {
      await Promise.all(
        job.images.map(async (image) => {
          const extension = image.content_type.replace(/^image\//, '').replace(/\+.*$/, '');
          const file = `${String(number).padStart(2, '0')}-${slugOf(body.input.prompt)}-${image.index}.${extension}`;
          writeFileSync(join(directory, file), await client.download(image.url));
          const caption = `${title} (${job.model}): ${body.input.prompt}`;
          figures.push({ file, html: figureOf(file, caption) });
        }),
      );
    },
    writePage() {
      const page = join(directory, 'index.html');
      const sorted = figures.toSorted((a, b) => (a.file < b.file ? -1 : 1)).map(({ html }) => html);
      writeFileSync(page, `${PAGE_HEAD}${sorted.join('\n')}\n`);
      return page;
    },
  };
}

const PAGE_HEAD = `<!doctype html><meta charset="utf-8"><title>Darkroom demo</title>
<style>
body { font: 14px/1.4 system-ui; margin: 2rem; display: flex; flex-wrap: wrap; gap: 1rem; background: #eee }
figure { margin: 0; width: 18rem } img { width: 100%; display: block }
</style>
`;

function figureOf(file: string, caption: string): string {
  return `<figure><a href="${file}"><img src="${file}" alt=""></a><figcaption>${escapeHtml(caption)}</figcaption></figure>`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** The first words, as part of a file name. */
function slugOf(text: string): string {
  return text
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .slice(0, 40)
    .replace(/^-|-$/g, '');
}
