// What lies in storage against what the records list: each listed image is there, byte for byte; nothing else is, but what
// stands beside an image.
import type { Books, Findings, Violation } from './books.ts';

export function auditStorage({ jobs, objects, ledger }: Books): Findings {
  const byHash = Map.groupBy(
    objects.filter(({ key }) => key.startsWith('images/')),
    ({ sha256 }) => sha256,
  );
  const listed = jobs.flatMap(({ job }) => job.images.map((image) => ({ jobId: job.id, ...image })));
  const missing = listed.filter(({ jobId, sha256, bytes }) => {
    const found = byHash.get(sha256)?.find(({ key }) => key.includes(`/${jobId}/`));
    return found?.bytes !== bytes;
  });
  const made = new Set(ledger.images.map(({ sha256 }) => sha256));
  const foreign = listed.filter(({ jobId, sha256 }) => !made.has(sha256) && !isScaled(jobs, jobId));
  const known = new Set(jobs.map(({ job }) => job.id));
  const orphans = objects.filter(({ key }) => key.startsWith('images/') && !known.has(key.split('/')[2] ?? ''));
  return {
    figures: {
      'images listed': listed.length,
      '  missing in storage': missing.length,
      'objects without a job': orphans.length,
    },
    violations: [
      ...missing.map(toViolation('image listed and not stored')),
      ...foreign.map(toViolation('image listed that nobody made')),
      ...orphans.map(({ key }) => ({ kind: 'object without a job', jobId: null, message: key })),
    ],
  };
}

function isScaled(jobs: Books['jobs'], jobId: string): boolean {
  const book = jobs.find(({ job }) => job.id === jobId);
  return /^(256x256|512x512)$/.test(String(book?.job.input['size']));
}

function toViolation(kind: string) {
  return ({
    jobId,
    id,
    sha256,
  }: {
    readonly jobId: string;
    readonly id: string;
    readonly sha256: string;
  }): Violation => ({
    kind,
    jobId,
    message: `${id} sha256 ${sha256}`,
  });
}
