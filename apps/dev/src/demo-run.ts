// Submits the demo's jobs, follows each to its end and fetches its pictures.
import { setTimeout } from 'node:timers/promises';
import { type DarkroomClient, hasEnded, type Job } from './demo-client.ts';
import type { DemoJob } from './demo-jobs.ts';
import type { Pictures } from './demo-pictures.ts';
import type { Progress } from './demo-progress.ts';

const LOOK_EVERY_MS = 300;

export interface DemoRun {
  readonly client: DarkroomClient;
  readonly pictures: Pictures;
  readonly progress: Progress;
  /** Aborted by Ctrl-C: calls not yet sent are cancelled, those under way are waited for and their pictures kept. */
  readonly stopping: AbortSignal;
}

/** All jobs at their ends, in order; those that Ctrl-C came before are missing. */
export async function runDemoJobs(demoJobs: readonly DemoJob[], run: DemoRun): Promise<Job[]> {
  const ended = await Promise.all(demoJobs.map((demoJob, index) => runOne(demoJob, index, run)));
  return ended.filter((job) => job !== null);
}

async function runOne(demoJob: DemoJob, index: number, run: DemoRun): Promise<Job | null> {
  const { client, pictures, progress, stopping } = run;
  if (stopping.aborted) return null;
  let job = await client.submit(demoJob.body);
  progress.update(index, job);
  let isCancelled = false;
  while (!hasEnded(job)) {
    if (stopping.aborted && !isCancelled) {
      isCancelled = true;
      job = await client.cancel(job.id);
    } else {
      await setTimeout(LOOK_EVERY_MS);
      job = await client.read(job.id);
    }
    progress.update(index, job);
  }
  await pictures.save(index + 1, demoJob, job);
  return job;
}
