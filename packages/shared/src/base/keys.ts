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
  /** STREAM of an account's newest events, bounded; its entries are written in jobs/lua/lib.lua. */
  accountEvents(account: string): string;
  /** ZSET of all jobs that have not ended, by the time the sweep should look at them next, ms. */
  readonly openJobs: string;
  batch(id: string): string;
  /** SET of a batch's jobs that have not ended. */
  batchOpenJobs(id: string): string;
  /** HASH: a batch's lines that were fed and made no job, by number; see batches/lua/note-unmade.lua. */
  batchUnmade(id: string): string;
  accountBatches(account: string): string;
  /** ZSET of batches that have not ended, by creation time, ms. */
  readonly openBatches: string;
  /** Held by the worker that runs a batch. */
  batchLease(id: string): string;
  /** HASH of one file's record. */
  file(id: string): string;
  /** ZSET of an account's files by creation time, ms; with a purpose only those of it. */
  accountFiles(account: string, purpose?: string): string;
  /** ZSET of input images in storage, `<account>/<sha256>`, by until when a job may need them, ms. */
  readonly inputs: string;
  /** HASH: what was measured of an input image, and who is removing it; see inputs/lua. */
  input(account: string, sha256: string): string;
  /** SET of the vision files that hold an input image. */
  inputFiles(account: string, sha256: string): string;
  idempotency(account: string, keyHash: string): string;
  /** ZSET of submissions whose final reply is not written yet; beside it the HASH `…:askers`. See jobs/lua/unanswered.lua. */
  unanswered(account: string, fingerprint: string): string;
  /** Lives while an API process does. */
  apiProcess(id: string): string;
  bucket(upstreamKey: string, limit: string): string;
  /** ZSET of permits in use, by the time their lease ends, ms. */
  leases(upstreamKey: string, limit: string): string;
  upstreamKey(upstreamKey: string): string;
  /** ZSET of the upstream keys' names, by when a worker last had them, ms. */
  readonly upstreamKeys: string;
  /** HASH: model → a further limit the upstream has named for it under this key, «(for limit X)». */
  limitNames(upstreamKey: string): string;
  /** HASH: the books of a lane; jobs/lua/lane.lua lists the fields. */
  lane(lane: string): string;
  /** ZSET of answers that are paid but not in storage yet, `<job id> <call> <attempt>`, by until when they can be had, ms. */
  readonly spooled: string;
  /** STRING: a spooled answer as its file on the host that has it; small ones only. */
  spoolCopy(entry: string): string;
  /** HASH of those: entry → bytes. */
  readonly spoolCopies: string;
  /** Held by the worker that puts a spooled answer into storage. */
  spoolLease(entry: string): string;
  /** HASH of a host's spool: process → `<bytes> <until ms>`, the room its calls may need. */
  spoolRoom(host: string): string;
  /** SET of models the upstream has answered «does not exist» for, though our rules still list them. */
  readonly retiredModels: string;
  /** HASH: model id → the day of shutdown the upstream gave, `YYYY-MM-DD`. */
  readonly shutdownDates: string;
  /** Lives until the upstream is to be asked for shutdown dates again. */
  readonly shutdownDatesAsked: string;
  /** ZSET of hosts that are to hear of events, by when to look at them, ms. */
  readonly outbox: string;
  /** ZSET of a host's events that are no deliveries yet, by when to look at them, ms; see `emit` in jobs/lua/lib.lua. */
  outboxOf(host: string): string;
  /** HASH of one webhook delivery; webhooks/lua/lib.lua lists the fields. */
  delivery(eventId: string): string;
  /** ZSET of an account's deliveries by when they were made, ms. */
  accountDeliveries(account: string): string;
  /** ZSET of hosts that have deliveries to be tried, by when to look at them next, ms. */
  readonly receivers: string;
  /** HASH: how a host has been doing; beside it the ZSETs `…:waiting` and `…:queued` of its deliveries. */
  receiver(host: string): string;
  /** Lives while a part of the sweep has been done, or is being done, by one worker. */
  sweepTurn(part: string): string;
  /** STRING: where the sweep's walk through all keys goes on. */
  readonly sweepCursor: string;
  /** STRING: since when the queue item of an attempt under way has been missed, ms. */
  missedSince(jobId: string, call: number, attempt: number): string;
  /** Pub/sub: something happened to a job; the message is written in jobs/lua/lib.lua. */
  readonly jobChanges: string;
  /** Channel: a host has events in its outbox. */
  readonly outboxChanges: string;
  /** Pub/sub: a bucket or upstream key stopped or went on. */
  readonly limitChanges: string;
  /** Pub/sub: a worker has seen the image storage fail. */
  readonly storageChanges: string;
  /** HASH: which image storage is ours; see images/mark.ts. */
  readonly storage: string;
  /** Held while a process marks it. */
  readonly storageMarking: string;
  /** Lives while a worker finds the image storage away: what that worker says of it. */
  readonly storageAway: string;
  /** Written before Redis is asked how many replicas have what was written. */
  readonly replicated: string;
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
    accountEvents: (account) => `${root}:events:${account}`,
    openJobs: `${root}:open-jobs`,
    batch: (id) => `${root}:batch:${id}`,
    batchOpenJobs: (id) => `${root}:batch:${id}:open`,
    batchUnmade: (id) => `${root}:batch:${id}:unmade`,
    accountBatches: (account) => `${root}:batches:${account}`,
    openBatches: `${root}:open-batches`,
    batchLease: (id) => `${root}:batch-lease:${id}`,
    file: (id) => `${root}:file:${id}`,
    accountFiles: (account, purpose) => `${root}:files:${account}${purpose === undefined ? '' : `:${purpose}`}`,
    inputs: `${root}:inputs`,
    input: (account, sha256) => `${root}:input:${account}:${sha256}`,
    inputFiles: (account, sha256) => `${root}:input-files:${account}:${sha256}`,
    idempotency: (account, keyHash) => `${root}:idempotency:${account}:${keyHash}`,
    unanswered: (account, fingerprint) => `${root}:unanswered:${account}:${fingerprint}`,
    apiProcess: (id) => `${root}:api-process:${id}`,
    bucket: (upstreamKey, limit) => `${root}:bucket:${upstreamKey}:${limit}`,
    leases: (upstreamKey, limit) => `${root}:leases:${upstreamKey}:${limit}`,
    upstreamKey: (upstreamKey) => `${root}:upstream-key:${upstreamKey}`,
    upstreamKeys: `${root}:upstream-keys`,
    limitNames: (upstreamKey) => `${root}:limit-names:${upstreamKey}`,
    lane: (lane) => `${root}:lane:${lane}`,
    spooled: `${root}:spooled`,
    spoolCopy: (entry) => `${root}:spool-copy:${entry}`,
    spoolCopies: `${root}:spool-copies`,
    spoolLease: (entry) => `${root}:spool-lease:${entry}`,
    spoolRoom: (host) => `${root}:spool-room:${host}`,
    retiredModels: `${root}:retired-models`,
    shutdownDates: `${root}:shutdown-dates`,
    shutdownDatesAsked: `${root}:shutdown-dates-asked`,
    outbox: `${root}:outbox`,
    outboxOf: (host) => `${root}:outbox:${host}`,
    delivery: (eventId) => `${root}:delivery:${eventId}`,
    accountDeliveries: (account) => `${root}:deliveries:${account}`,
    receivers: `${root}:receivers`,
    receiver: (host) => `${root}:receiver:${host}`,
    sweepTurn: (part) => `${root}:sweep-turn:${part}`,
    sweepCursor: `${root}:sweep-cursor`,
    missedSince: (jobId, call, attempt) => `${root}:missed-since:${jobId}:${call}:${attempt}`,
    jobChanges: `${root}:job-changes`,
    outboxChanges: `${root}:outbox-changes`,
    limitChanges: `${root}:limit-changes`,
    storageChanges: `${root}:storage-changes`,
    storage: `${root}:storage`,
    storageMarking: `${root}:storage-marking`,
    storageAway: `${root}:storage-away`,
    replicated: `${root}:replicated`,
    signingSecret: `${root}:signing-secret`,
    publicUrl: `${root}:public-url`,
  };
}
