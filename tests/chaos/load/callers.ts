// The callers of a run: each planned job is asked for by a client of its kind, with the official SDK and its own retries,
// and what came of it is noted. Nothing is judged here.
import { createHash } from 'node:crypto';
import OpenAI, { APIError, toFile } from 'openai';
import { dataUrl, png } from '../../support/pictures.ts';
import { type AccountName, apiKeyOf } from '../world/accounts.ts';
import { type BatchNote, type CallerNote, openNote } from './notes.ts';
import type { PlannedBatch, PlannedJob } from './planned-jobs.ts';

type Body = Readonly<Record<string, unknown>>;

export interface Callers {
  readonly notes: readonly CallerNote[];
  readonly batches: readonly BatchNote[];
  /** Begins and comes back at once. */
  start(job: PlannedJob): void;
  startBatch(batch: PlannedBatch): void;
  /** Resolves when every caller has its last reply. */
  done(): Promise<void>;
}

export interface CallersOptions {
  readonly url: string;
  readonly accounts: readonly AccountName[];
  /** Of the receiver; `/live` and `/tired` are under it. */
  readonly hookUrl: string;
}

const PICTURE = png(64);
const GIVE_UP_MS = 60_000;

/** Uploads what edits refer to first; the service has to be well. */
export async function openCallers({ url, hookUrl, accounts }: CallersOptions): Promise<Callers> {
  const callers = new Map(
    await Promise.all(accounts.map(async (account) => [account, await openCaller(url, hookUrl, account)] as const)),
  );
  const callerOf = (account: AccountName): Caller => {
    const caller = callers.get(account);
    if (caller === undefined) throw new TypeError(`account ${account} is not of this run`);
    return caller;
  };
  const notes: CallerNote[] = [];
  const batches: BatchNote[] = [];
  const running: Promise<void>[] = [];
  return {
    notes,
    batches,
    start(job) {
      const note = openNote(job);
      notes.push(note);
      running.push(run(callerOf(job.account), note));
    },
    startBatch(batch) {
      const note: BatchNote = { batch, batchId: null };
      batches.push(note);
      running.push(createBatch(callerOf(batch.account), note));
    },
    async done() {
      await Promise.all(running);
    },
  };
}

/** One account's. */
interface Caller {
  readonly hookUrl: string;
  readonly openai: OpenAI;
  readonly fileId: string;
}

async function openCaller(url: string, hookUrl: string, account: AccountName): Promise<Caller> {
  const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: apiKeyOf(account), timeout: GIVE_UP_MS });
  const file = await openai.files.create({ file: await pictureFile(), purpose: 'vision' });
  return { openai, hookUrl, fileId: file.id };
}

async function run(caller: Caller, note: CallerNote): Promise<void> {
  try {
    await ASK[note.job.client](caller, note);
    const [id] = note.jobIds;
    if (id !== undefined && note.job.afterwards !== null) await AFTERWARDS[note.job.afterwards](caller, note, id);
  } catch (error) {
    noteError(note, error);
  }
  note.endedAt = Date.now();
}

/** A reply that breaks off in its body is no reply: fetch says TypeError, and the SDK does not try again. */
function noteError(note: CallerNote, error: unknown): void {
  if (error instanceof APIError) {
    noteReply(note, error.status ?? null, error.headers);
    note.code = error.code ?? null;
  } else if (error instanceof TypeError) {
    note.code = 'broken reply';
  } else throw error;
}

/** Connection errors have neither status nor headers. */
function noteReply(note: CallerNote, status: number | null, headers: Headers | undefined): void {
  note.status = status;
  const id = headers?.get('x-darkroom-job-id') ?? null;
  if (id !== null && !note.jobIds.includes(id)) note.jobIds.push(id);
}

const ASK: Readonly<Record<PlannedJob['client'], (caller: Caller, note: CallerNote) => Promise<void>>> = {
  post: (caller, note) => post(caller, note, {}),
  wait: (caller, note) => post(caller, note, { prefer: 'wait=3' }),
  async keyed(caller, note) {
    const headers = { 'idempotency-key': `key-${note.job.id}` };
    await Promise.all([post(caller, note, headers), post(caller, note, headers)]);
  },
  async sync({ openai, ...caller }, note) {
    const body = {
      ...note.job.input,
      ...envelopeOf(note.job, caller.hookUrl),
    } as unknown as OpenAI.Images.ImageGenerateParamsNonStreaming;
    await noteImages(note, await openai.images.generate(body).withResponse());
  },
  async 'sync-edit'({ openai }, note) {
    const body = {
      ...note.job.input,
      image: await pictureFile(),
    } as unknown as OpenAI.Images.ImageEditParamsNonStreaming;
    await noteImages(note, await openai.images.edit(body).withResponse());
  },
};

const AFTERWARDS: Readonly<
  Record<'cancel' | 'retry', (caller: Caller, note: CallerNote, id: string) => Promise<void>>
> = {
  async cancel({ openai }, note, id) {
    await openai.post(`/jobs/${id}/cancel`);
    note.hasCancelled = true;
  },
  async retry({ openai }, note, id) {
    const job = await openai.get<{ status: string }>(`/jobs/${id}?wait=20`);
    if (job.status !== 'failed' && job.status !== 'incomplete') return;
    await openai.post(`/jobs/${id}/retry`);
    note.hasRetried = true;
  },
};

async function post(
  { openai, fileId, hookUrl }: Caller,
  note: CallerNote,
  headers: Record<string, string>,
): Promise<void> {
  const { job } = note;
  const image = job.image === 'file_id' ? { file_id: fileId } : { image_url: dataUrl(PICTURE) };
  const body: Body = {
    operation: job.operation,
    input: { ...job.input, ...(job.operation === 'generation' ? {} : { images: [image] }) },
    ...envelopeOf(job, hookUrl),
  };
  const { data, response } = await openai.post<{ id: string }>('/jobs', { body, headers }).withResponse();
  note.status = response.status;
  if (!note.jobIds.includes(data.id)) note.jobIds.push(data.id);
}

function envelopeOf({ envelope, webhook }: PlannedJob, hookUrl: string): Body {
  const events = ['job.completed', 'job.incomplete', 'job.failed', 'job.cancelled', 'job.expired', 'image.completed'];
  return { ...envelope, ...(webhook === null ? {} : { webhook: { url: `${hookUrl}/${webhook}`, events } }) };
}

interface ImagesReply {
  readonly data: { readonly data?: readonly { readonly b64_json?: string; readonly url?: string }[] };
  readonly response: Response;
}

async function noteImages(note: CallerNote, { data, response }: ImagesReply): Promise<void> {
  noteReply(note, response.status, response.headers);
  note.images = await Promise.all(
    (data.data ?? []).map(async ({ b64_json: base64, url = '' }) =>
      sha256(base64 === undefined ? await download(url) : Buffer.from(base64, 'base64')),
    ),
  );
}

/** Again when an API dies on the way, as any client would. */
async function download(url: string): Promise<Buffer> {
  for (let tries = 1; ; tries += 1) {
    try {
      const reply = await fetch(url);
      if (!reply.ok && reply.status < 500) throw new RangeError(`${url} answered ${reply.status}`);
      if (reply.ok) return Buffer.from(await reply.arrayBuffer());
    } catch (error) {
      if (error instanceof RangeError || tries === 20) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, 250));
  }
}

async function createBatch({ openai, hookUrl }: Caller, note: BatchNote): Promise<void> {
  const { id, lines } = note.batch;
  const text = Array.from({ length: lines }, (_, line) => JSON.stringify(lineOf(id, line))).join('\n');
  try {
    const file = await openai.files.create({ file: await toFile(Buffer.from(text), 'in.jsonl'), purpose: 'batch' });
    const body = {
      input_file_id: file.id,
      endpoint: '/v1/images/generations',
      completion_window: '24h',
      webhook: { url: `${hookUrl}/live` },
    };
    note.batchId = (await openai.post<{ id: string }>('/batches', { body })).id;
  } catch (error) {
    if (!(error instanceof APIError)) throw error;
  }
}

function lineOf(id: string, line: number): Body {
  const body = {
    model: 'gpt-image-2.6-sunburst',
    prompt: `chaos ${id}-${line}`,
    size: '1024x1024',
    quality: 'low',
    output_format: 'jpeg',
  };
  return { custom_id: `line-${line}`, method: 'POST', url: '/v1/images/generations', body };
}

function pictureFile(): Promise<File> {
  return toFile(PICTURE, 'picture.png', { type: 'image/png' });
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
