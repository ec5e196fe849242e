// Every Redis key and channel of Darkroom. All share one hash tag, so that one Lua step may touch any of them and a
// Redis Cluster keeps them in one slot (bullmq.md 1.3).

export interface Keys {
  /** Prefix of all BullMQ queues. */
  readonly queuePrefix: string;
  job(id: string): string;
  /** SET of all accounts that ever had a job. */
  readonly accounts: string;
  /** ZSET of an account's jobs by creation time, ms. */
  accountJobs(account: string): string;
  /** ZSET of all jobs that have not ended, by the time the sweep should look at them next, ms. */
  readonly openJobs: string;
  idempotency(account: string, keyHash: string): string;
  bucket(upstreamKey: string, limit: string): string;
  /** ZSET of permits in use, by the time their lease ends, ms. */
  leases(upstreamKey: string, limit: string): string;
  upstreamKey(upstreamKey: string): string;
  /** SET of models the upstream has answered «does not exist» for, though our rules still list them. */
  readonly retiredModels: string;
  /** Pub/sub: something happened to a job; the message is written in jobs/lua/lib.lua. */
  readonly jobChanges: string;
  /** Pub/sub: a bucket or upstream key stopped or went on. */
  readonly limitChanges: string;
  readonly signingSecret: string;
  readonly publicUrl: string;
}

export function keysOf(prefix: string): Keys {
  const root = `{${prefix}}`;
  return {
    queuePrefix: root,
    job: (id) => `${root}:job:${id}`,
    accounts: `${root}:accounts`,
    accountJobs: (account) => `${root}:jobs:${account}`,
    openJobs: `${root}:open-jobs`,
    idempotency: (account, keyHash) => `${root}:idempotency:${account}:${keyHash}`,
    bucket: (upstreamKey, limit) => `${root}:bucket:${upstreamKey}:${limit}`,
    leases: (upstreamKey, limit) => `${root}:leases:${upstreamKey}:${limit}`,
    upstreamKey: (upstreamKey) => `${root}:upstream-key:${upstreamKey}`,
    retiredModels: `${root}:retired-models`,
    jobChanges: `${root}:job-changes`,
    limitChanges: `${root}:limit-changes`,
    signingSecret: `${root}:signing-secret`,
    publicUrl: `${root}:public-url`,
  };
}
