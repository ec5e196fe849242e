// Reads every book of a run, through the API where it shows them and past it where it does not.
import { setTimeout as pause } from 'node:timers/promises';
import { keysOf } from '@darkroom/shared/base/keys.ts';
import type { JobRecord } from '@darkroom/shared/jobs/record.ts';
import { readJob } from '@darkroom/shared/jobs/store.ts';
import { Api, type Job, type JobList } from '../../support/api.ts';
import type { Callers } from '../load/callers.ts';
import { type Follower, type Told, toHeard } from '../load/follower.ts';
import type { BatchNote } from '../load/notes.ts';
import { accountsOf, type Plan } from '../plan.ts';
import type { Unrest } from '../rest.ts';
import { type AccountName, apiKeyOf } from '../world/accounts.ts';
import type { World } from '../world/world.ts';
import type { AttemptBook, BatchBook, Books, DeliveryBook, JobBook } from './books.ts';
import { auditTheSystem } from './system-audit.ts';

const KEYS = keysOf('darkroom');
const CATCH_UP_MS = 8_000;

export async function collectBooks(
  world: World,
  plan: Plan,
  callers: Callers,
  followers: readonly Follower[],
  unrest: Unrest,
): Promise<Books> {
  const apis = new Map(accountsOf(plan).map((account) => [account, new Api(world.url, apiKeyOf(account))]));
  const jobs = (await Promise.all([...apis].map(([account, api]) => readJobs(world, account, api)))).flat();
  await untilCaughtUp(jobs, followers);
  return {
    hasLinks: plan.hasLinks,
    notes: callers.notes,
    batches: await Promise.all(callers.batches.map((note) => readBatchBook(apis.get(note.batch.account), note))),
    jobs,
    ledger: await world.simulator.ledger(),
    objects: await world.storage.objects(),
    delivered: world.wire.delivered,
    spooled: world.wire.spooled,
    streams: followers.map(({ account, heard }) => ({ account, heard })),
    webhooks: await readWebhooks(world),
    deliveries: (await Promise.all([...apis.values()].map(readDeliveries))).flat(),
    timeline: world.timeline.entries,
    unrest,
    system: await auditTheSystem(world),
  };
}

async function readJobs(world: World, account: AccountName, api: Api): Promise<JobBook[]> {
  const books: JobBook[] = [];
  for await (const page of pages<Job>(api, '/v1/jobs?limit=100')) {
    books.push(...(await Promise.all(page.map((job) => readJobBook(world, account, job)))));
  }
  return books;
}

async function* pages<T extends { readonly id: string }>(api: Api, path: string): AsyncGenerator<readonly T[]> {
  let after = '';
  for (;;) {
    const reply = await api.request('GET', `${path}${after}`);
    if (reply.status !== 200) throw new Error(`${path} answered ${reply.status}: ${reply.text}`);
    const { data, last_id: last, has_more: hasMore } = reply.json as Omit<JobList, 'data'> & { data: readonly T[] };
    yield data;
    if (!hasMore || last === null) return;
    after = `&after=${last}`;
  }
}

async function readJobBook({ redis, upstreamKeys }: World, account: AccountName, job: Job): Promise<JobBook> {
  const record = await readJob(redis, KEYS, job.id);
  return {
    account,
    job,
    attempts: record?.attempts.map((row) => toAttemptBook(row, upstreamKeys)) ?? [],
    sequence: record?.sequence ?? 0,
  };
}

function toAttemptBook(row: JobRecord['attempts'][number], upstreamKeys: World['upstreamKeys']): AttemptBook {
  return {
    call: row.call,
    seq: row.seq,
    run: row.run,
    at: row.at,
    endedAt: row.endedAt ?? null,
    answeredAt: row.answeredAt ?? null,
    outcome: row.outcome,
    code: row.code ?? null,
    requestId: row.requestId ?? null,
    key: upstreamKeys.keys[upstreamKeys.names.indexOf(row.upstreamKey)]?.slice(-4) ?? null,
    images: row.images,
    costUsd: toUsd(row.costMicroUsd),
    came: row.cameImages ?? null,
  };
}

function toUsd(microUsd: number | null | undefined): number | null {
  return microUsd === null || microUsd === undefined ? null : microUsd / 1e6;
}

/** Followers hear of the last events a moment after they happened; those who never do are the auditor's. */
async function untilCaughtUp(jobs: readonly JobBook[], followers: readonly Follower[]): Promise<void> {
  const expectedOf = (account: AccountName): number =>
    jobs.reduce((sum, job) => sum + (job.account === account ? job.sequence : 0), 0);
  const deadline = performance.now() + CATCH_UP_MS;
  const isBehind = ({ account, heard }: Follower): boolean =>
    new Set(heard.filter(({ subject }) => subject.startsWith('job_')).map(({ id }) => id)).size < expectedOf(account);
  while (followers.some(isBehind) && performance.now() < deadline) await pause(100);
}

async function readWebhooks({ hooks }: World): Promise<Books['webhooks']> {
  await hooks.events(); // every signature, and one body for each id
  const received = await hooks.received();
  return received.filter(({ status }) => status === 200).map(({ body }) => toHeard(body as Told));
}

async function readDeliveries(api: Api): Promise<DeliveryBook[]> {
  interface Row {
    readonly id: string;
    readonly state: string;
    readonly attempts: DeliveryBook['tries'];
  }
  const books: DeliveryBook[] = [];
  for await (const page of pages<Row>(api, '/v1/webhook_deliveries?limit=100'))
    books.push(...page.map(({ id, state, attempts }) => ({ id, state, tries: attempts })));
  return books;
}

interface PublicBatch {
  readonly status: string;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
}

async function readBatchBook(api: Api | undefined, note: BatchNote): Promise<BatchBook> {
  if (note.batchId === null || api === undefined) return { note, status: null, lines: new Map() };
  const batch = (await api.request('GET', `/v1/batches/${note.batchId}`)).json as PublicBatch;
  const files = [batch.output_file_id, batch.error_file_id].filter((id) => typeof id === 'string');
  const texts = await Promise.all(files.map(async (id) => (await api.request('GET', `/v1/files/${id}/content`)).text));
  const ids = texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { custom_id: string }).custom_id),
  );
  const lines = new Map([...Map.groupBy(ids, (id) => id)].map(([id, same]) => [id, same.length]));
  return { note, status: batch.status, lines };
}
