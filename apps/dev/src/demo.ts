// `npm run demo`: a mix of real jobs against a running Darkroom, or one started for it, shown as they go.
//   npm run demo [-- --yes]      --yes: also when the images cost money
// DARKROOM_URL and DARKROOM_API_KEY name another service. Ctrl-C cancels what has not been sent; a second one ends at once.
import { join } from 'node:path';
import { buildDarkroomClient, type DarkroomClient, type Job } from './demo-client.ts';
import { buildDemoJobs, type DemoJob, REFUSED_MODEL } from './demo-jobs.ts';
import { openPictures } from './demo-pictures.ts';
import { showProgress } from './demo-progress.ts';
import { DEMO_PROMPTS } from './demo-prompts.ts';
import { runDemoJobs } from './demo-run.ts';
import { DemoRefusal, type DemoTarget, openDemoTarget } from './demo-target.ts';
import { DATA_DIRECTORY } from './service.ts';

const saidYes = process.argv.includes('--yes');
const stopping = new AbortController();

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.on(signal, () => {
    if (stopping.signal.aborted) process.exit(130);
    console.error('\nCancelling what has not been sent yet; Ctrl-C again ends at once.');
    stopping.abort();
  });
}

async function main(): Promise<void> {
  const target = await openDemoTarget(saidYes);
  try {
    await Promise.race([demonstrate(target), target.broken]);
  } finally {
    await target.stop();
  }
}

async function demonstrate(target: DemoTarget): Promise<void> {
  const client = buildDarkroomClient(target.url, process.env['DARKROOM_API_KEY'] || null);
  const first = Math.floor(Math.random() * DEMO_PROMPTS.length);
  const demoJobs = buildDemoJobs(first, target.simulatorUrl !== null);
  if (target.simulatorUrl === null) await assertMoneyMayBeSpent(target, client, demoJobs);
  else await orderRefusal(target.simulatorUrl);
  const pictures = openPictures(join(DATA_DIRECTORY, 'demo', new Date().toISOString().replace(/[:.]/g, '-')), client);
  console.log(`\n${demoJobs.length} jobs for ${target.url}\n`);
  const progress = showProgress(
    demoJobs.map(({ title }) => title),
    process.stdout,
  );
  const startedAt = Date.now();
  const jobs = await runDemoJobs(demoJobs, { client, pictures, progress, stopping: stopping.signal });
  const seconds = (Date.now() - startedAt) / 1_000;
  console.log(summary(target, jobs, seconds, pictures.writePage()));
  if (stopping.signal.aborted) process.exitCode = 130;
}

/** A service whose upstream is not known to be a simulator is taken for one that costs money. */
async function assertMoneyMayBeSpent(
  { url }: DemoTarget,
  client: DarkroomClient,
  demoJobs: readonly DemoJob[],
): Promise<void> {
  const costs = await Promise.all(demoJobs.map(({ body }) => client.maxCostUsd(body)));
  const total = costs.some((cost) => cost === null) ? null : costs.reduce<number>((sum, cost) => sum + (cost ?? 0), 0);
  const price = total === null ? 'an unknown price' : `at most $${total.toFixed(2)}`;
  if (!saidYes) {
    throw new DemoRefusal(
      `The Darkroom at ${url} may buy from the real OpenAI API: ${demoJobs.length} jobs for ${price} of real money.\n` +
        'Run `npm run demo -- --yes` to buy them.',
    );
  }
  console.log(`Buying images with real money: ${price}.`);
}

/** The next request for the refused job's model is refused by the simulator as the moderation would. */
async function orderRefusal(simulatorUrl: string): Promise<void> {
  const body = JSON.stringify({ kind: 'moderation_input', model: REFUSED_MODEL, count: 1 });
  const reply = await fetch(`${simulatorUrl}/_sim/faults`, { method: 'POST', body });
  if (!reply.ok) throw new Error(`the simulator answered ${reply.status}: ${await reply.text()}`);
}

function summary(target: DemoTarget, jobs: readonly Job[], seconds: number, page: string): string {
  const images = jobs.flatMap((job) => job.images);
  const wanted = jobs.reduce((sum, job) => sum + job.progress.images_requested, 0);
  const unsuccessful = jobs.filter((job) => job.error !== null);
  const links = jobs.flatMap((job) => job.images.slice(0, 1).map((image) => `  ${image.url}`));
  return [
    '',
    `${images.length} of ${wanted} images in ${seconds.toFixed(1)} s, ${costOf(jobs)}${target.simulatorUrl === null ? '' : ' at list price (drawn by the simulator: nothing was charged)'}`,
    ...unsuccessful.map((job) => `  ${job.id} ${job.status}: ${job.error?.code ?? ''} ${job.error?.message ?? ''}`),
    '',
    `Pictures: ${page}`,
    `Links, the first of each job${target.isOurs ? ' (they work while `npm start` runs)' : ''}:`,
    ...links,
  ].join('\n');
}

function costOf(jobs: readonly Job[]): string {
  const sum = (costs: readonly (number | null)[]): number | null =>
    costs.reduce<number | null>((total, cost) => (total === null || cost === null ? null : total + cost), 0);
  const cost = sum(jobs.map((job) => job.usage.cost_usd));
  const extra = sum(jobs.map((job) => job.usage.possible_extra_cost_usd));
  const certain = cost === null ? 'cost unknown' : `$${cost.toFixed(4)}`;
  return extra === 0 ? certain : `${certain} (and perhaps ${extra === null ? 'more' : `$${extra.toFixed(4)}`})`;
}

try {
  await main();
  process.exit();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(error instanceof DemoRefusal ? 2 : 1);
}
