// What happens to jobs and batches, heard live: the process's one subscription, shared by all that wait for a job and all
// that follow an account. A message is only a hint: who needs the truth reads the record or the account's event stream.
import type { Redis } from 'ioredis';
import type { Keys } from '../base/keys.ts';
import type { JobStatus } from './record.ts';

/** One message of the channel; jobs/lua/lib.lua writes it. */
export interface JobChange {
  readonly type: string;
  /** '-' for what happens to a batch. */
  readonly jobId: string;
  readonly status: JobStatus;
  readonly account: string;
}

/** Hears a change; null = the connection was away and messages may be lost: look for yourself. Must not throw. */
export type ChangeListener = (change: JobChange | null) => void;

export interface JobChanges {
  /** Hears what happens to a job until the returned function is called. */
  onJob(jobId: string, listener: ChangeListener): () => void;
  /** Hears what happens to any job or batch of an account until the returned function is called. */
  onAccount(account: string, listener: ChangeListener): () => void;
}

type Listeners = Map<string, Set<ChangeListener>>;

/** `subscriber` becomes pub/sub only; whoever opened it closes it. */
export async function openJobChanges(subscriber: Redis, keys: Keys): Promise<JobChanges> {
  const byJob: Listeners = new Map();
  const byAccount: Listeners = new Map();
  await subscriber.subscribe(keys.jobChanges);
  subscriber.on('message', (_channel: string, message: string) => {
    const change = parseChange(message);
    tell(byJob.get(change.jobId), change);
    tell(byAccount.get(change.account), change);
  });
  subscriber.on('ready', () => {
    const tellAll = (): void => {
      for (const listeners of [...byJob.values(), ...byAccount.values()]) tell(listeners, null);
    };
    // A connection lost once more says so by another 'ready'; until then those who listen poll.
    subscriber.subscribe(keys.jobChanges).then(tellAll, tellAll);
  });
  return {
    onJob: (jobId, listener) => listen(byJob, jobId, listener),
    onAccount: (account, listener) => listen(byAccount, account, listener),
  };
}

/** «<stream id> <type> <job id> <status> <account> <batch or -> <image index or ->». */
function parseChange(message: string): JobChange {
  const [, type = '', jobId = '', status = '', account = ''] = message.split(' ');
  return { type, jobId, status: status as JobStatus, account };
}

function listen(all: Listeners, name: string, listener: ChangeListener): () => void {
  const listeners = all.get(name) ?? new Set();
  all.set(name, listeners.add(listener));
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0 && all.get(name) === listeners) all.delete(name);
  };
}

function tell(listeners: Iterable<ChangeListener> | undefined, change: JobChange | null): void {
  for (const listener of listeners ?? []) listener(change);
}
