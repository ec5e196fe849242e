// Every metric of Darkroom, declared once, with its closed set of labels. `model` is always a lane (a model of the
// rules, or `other`), never a caller's text, so the number of series is bounded.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { laneMetrics } from './lane-metrics.ts';
import { registerOutboxDepth, webhookMetrics } from './webhook-metrics.ts';

const HTTP_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];
const CALL_SECONDS = [1, 2, 5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600];
const WAIT_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1_800, 3_600];

/** Items waiting per lane, asked for at each scrape. */
export type ReadLaneDepths = () => Promise<ReadonlyMap<string, number>>;

export interface MetricsOptions {
  /** Of the process that reports the queues' depth (the API); absent elsewhere. Must not reject. */
  readonly readLaneDepths?: ReadLaneDepths;
  /** Of the same process; null when it can't be read. Must not reject. */
  readonly readOutboxDepth?: () => Promise<number | null>;
}

export type Metrics = ReturnType<typeof createMetrics>;

/** All metrics on a registry of their own, process metrics included. */
export function createMetrics({ readLaneDepths, readOutboxDepth }: MetricsOptions = {}) {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  if (readLaneDepths) registerLaneDepth(registry, readLaneDepths);
  if (readOutboxDepth) registerOutboxDepth(registry, readOutboxDepth);
  return {
    registry,
    ...httpMetrics(registers),
    ...eventStreamMetrics(registers),
    ...jobMetrics(registers),
    ...callMetrics(registers),
    ...laneMetrics(registers),
    ...storageMetrics(registers),
    ...webhookMetrics(registers),
  };
}

function httpMetrics(registers: Registry[]) {
  return {
    httpRequestDuration: new Histogram({
      name: 'darkroom_http_request_duration_seconds',
      help: 'Time from the request to the end of its reply, by route template.',
      labelNames: ['route', 'method', 'status'] as const,
      buckets: HTTP_SECONDS,
      registers,
    }),
  };
}

function eventStreamMetrics(registers: Registry[]) {
  return {
    eventStreamsOpen: new Gauge({
      name: 'darkroom_event_streams_open',
      help: 'Event streams that clients hold open at this process.',
      registers,
    }),
    eventsSent: new Counter({
      name: 'darkroom_events_sent_total',
      help: 'Events written to event streams, snapshots not counted.',
      registers,
    }),
  };
}

function jobMetrics(registers: Registry[]) {
  return {
    jobsAccepted: new Counter({
      name: 'darkroom_jobs_accepted_total',
      help: 'Jobs recorded, replays not counted.',
      labelNames: ['operation', 'model'] as const,
      registers,
    }),
    jobsEnded: new Counter({
      name: 'darkroom_jobs_ended_total',
      help: 'Jobs that ended, by how.',
      labelNames: ['status'] as const,
      registers,
    }),
    sweepRepairs: new Counter({
      name: 'darkroom_sweep_repairs_total',
      help: 'Things the sweep had to mend, by kind.',
      labelNames: ['kind'] as const,
      registers,
    }),
    laneUpkeep: new Counter({
      name: 'darkroom_lane_upkeep_total',
      help: "What was done to the lanes' books: cleared, flow_pruned, item_reordered, recounted.",
      labelNames: ['kind'] as const,
      registers,
    }),
  };
}

function callMetrics(registers: Registry[]) {
  const labelNames = ['model'] as const;
  return {
    calls: new Counter({
      name: 'darkroom_calls_total',
      help: 'Upstream attempts, by what they ended as.',
      labelNames: ['model', 'outcome'] as const,
      registers,
    }),
    callDuration: new Histogram({
      name: 'darkroom_call_duration_seconds',
      help: 'Time from sending a request upstream to the end of its reply.',
      labelNames,
      buckets: CALL_SECONDS,
      registers,
    }),
    callsInFlight: new Gauge({
      name: 'darkroom_calls_in_flight',
      help: 'Requests of this process under way upstream.',
      labelNames,
      registers,
    }),
    permitWait: new Histogram({
      name: 'darkroom_permit_wait_seconds',
      help: 'Time a call waited for its permit.',
      labelNames,
      buckets: WAIT_SECONDS,
      registers,
    }),
    upstreamErrors: new Counter({
      name: 'darkroom_upstream_errors_total',
      help: 'Failed upstream attempts, by what Darkroom does about them.',
      labelNames: ['model', 'verdict'] as const,
      registers,
    }),
    limitStops: new Counter({
      name: 'darkroom_limit_stops_total',
      help: 'Times a 429 stopped a limit, those that came together counted once.',
      labelNames: ['model', 'key'] as const,
      registers,
    }),
    slowDowns: new Counter({
      name: 'darkroom_slow_downs_total',
      help: 'Times the upstream had fewer calls under way at a time, those that came together counted once.',
      labelNames: ['model', 'key'] as const,
      registers,
    }),
    upstreamKeyPaused: new Gauge({
      name: 'darkroom_upstream_key_paused',
      help: '1 while an upstream key is paused.',
      labelNames: ['key'] as const,
      registers,
    }),
    costMicroUsd: new Counter({
      name: 'darkroom_cost_micro_usd_total',
      help: 'Money spent upstream where a price is known, in millionths of a US dollar.',
      labelNames,
      registers,
    }),
  };
}

function storageMetrics(registers: Registry[]) {
  return {
    imagesStored: new Counter({
      name: 'darkroom_images_stored_total',
      help: 'Images put into storage.',
      labelNames: ['model'] as const,
      registers,
    }),
    imageBytes: new Counter({
      name: 'darkroom_image_bytes_total',
      help: 'Bytes of images put into storage.',
      registers,
    }),
    inputsRemoved: new Counter({
      name: 'darkroom_inputs_removed_total',
      help: 'Input images removed from storage, because no job needs them any more.',
      registers,
    }),
    storageErrors: new Counter({
      name: 'darkroom_storage_errors_total',
      help: 'Times the storage could not be read or written.',
      registers,
    }),
    storageBreakerOpen: new Gauge({
      name: 'darkroom_storage_breaker_open',
      help: '1 while this process sends no calls because the image storage is away.',
      registers,
    }),
    linkBreakerOpen: new Gauge({
      name: 'darkroom_link_breaker_open',
      help: '1 while this process sends one call every 30 s at most, because links to its images can’t be followed.',
      labelNames: ['model'] as const,
      registers,
    }),
    spoolAnswers: new Gauge({
      name: 'darkroom_spool_answers',
      help: 'Paid answers in the spool of this host that wait for the image storage.',
      registers,
    }),
    spoolAnswersRefused: new Gauge({
      name: 'darkroom_spool_refused_answers',
      help: 'Waiting answers, of this host or copied, that the image storage refused this process though it is there.',
      registers,
    }),
    spoolBytes: new Gauge({
      name: 'darkroom_spool_bytes',
      help: 'Bytes in the spool folder of this host, what was put aside included, what is of other installations not.',
      registers,
    }),
    answersSpooled: new Counter({
      name: 'darkroom_answers_spooled_total',
      help: 'Paid answers this process could not store at once.',
      registers,
    }),
    answersDrained: new Counter({
      name: 'darkroom_answers_drained_total',
      help: 'Answers that waited for storage, by whether their images were stored, or are lost though paid.',
      labelNames: ['end'] as const,
      registers,
    }),
  };
}

function registerLaneDepth(registry: Registry, readLaneDepths: ReadLaneDepths): void {
  const gauge: Gauge<'model'> = new Gauge({
    name: 'darkroom_lane_depth_calls',
    help: 'Calls waiting in a lane, delayed ones included.',
    labelNames: ['model'] as const,
    registers: [registry],
    async collect() {
      const depths = await readLaneDepths();
      gauge.reset();
      for (const [lane, depth] of depths) gauge.set({ model: lane }, depth);
    },
  });
}
