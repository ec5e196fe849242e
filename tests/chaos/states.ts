// The states a process is killed in, or frozen, by name. Each is a row: what work leads there, and where the bytes are
// stopped so that the process stands still in exactly that state. Nothing of the service is changed for it.

import type { Bait } from './load/planned-jobs.ts';
import type { HttpPoint, Point, RedisPoint } from './proxy/points.ts';
import type { Role } from './world/service-process.ts';
import type { Trap } from './world/traps.ts';

export interface NamedState {
  readonly name: string;
  readonly role: Role;
  readonly bait: Bait;
  /** Only with this storage: on disk nothing can be seen or held. */
  readonly needs?: 's3';
  /** How answers get into the spool: storage is `away` while the trap is set, or is just `back` after it was away. */
  readonly storage?: 'away' | 'back';
  /** What it leaves takes long to be mended. */
  readonly isEarly?: boolean;
  /** Played after all others: it came when seeds had failed already, and what those mean must not change. */
  readonly isLast?: boolean;
  /** Frozen beyond its lock instead of killed; what it had sent arrives late, just before it goes on. */
  readonly isFrozen?: boolean;
  /** A fresh trap for each time it is set. */
  readonly trap: () => Trap;
}

type RedisMatch = (point: RedisPoint) => boolean;
type HttpMatch = (point: HttpPoint) => boolean;

/** Stops the first command or answer of Redis that matches. */
function atRedis(kind: RedisPoint['kind'], matches: RedisMatch): () => Trap {
  return () => (point) => (point.link === 'redis' && point.kind === kind && matches(point) ? 'hit' : 'pass');
}

function atHttp(kind: HttpPoint['kind'], matches: HttpMatch): () => Trap {
  return () => (point) => (point.link !== 'redis' && point.kind === kind && matches(point) ? 'hit' : 'pass');
}

const isStep =
  (step: string): RedisMatch =>
  (point) =>
    point.step === step;
/** A BullMQ script on a lane. */
const isOnLane =
  (step: string): RedisMatch =>
  (point) =>
    point.step === step && (point.args[0] ?? '').includes(':calls-');
const isImageCall: HttpMatch = ({ link, method, path }) =>
  link === 'upstream' && method === 'POST' && path.startsWith('/v1/images/');
const isImagePut: HttpMatch = ({ link, method, path }) =>
  link === 's3' && method === 'PUT' && path.includes('/images/');
const isInputRead: HttpMatch = ({ link, method, path }) =>
  link === 's3' && method === 'GET' && path.includes('/inputs/');

function isRedis(point: Point, kind: RedisPoint['kind'], matches: RedisMatch): boolean {
  return point.link === 'redis' && point.kind === kind && matches(point);
}

function isHttp(point: Point, kind: HttpPoint['kind'], matches: HttpMatch): boolean {
  return point.link !== 'redis' && point.kind === kind && matches(point);
}

/** Any request to storage that concerns images stops; then the note stops, and that is the state. */
function beforeAnyNote(): Trap {
  return (point) => {
    if (isHttp(point, 'request', ({ link, path }) => link === 's3' && path.includes('/images/'))) return 'hold';
    return isRedis(point, 'command', isStep('note-answer')) ? 'hit' : 'pass';
  };
}

/** Each process's answer has been noted when its put stops. */
function notedNotStored(): Trap {
  const noted = new Set<string>();
  const waiting = new Set<string>();
  return (point) => {
    if (isHttp(point, 'request', isImagePut)) {
      waiting.add(point.process);
      return noted.has(point.process) ? 'hit' : 'hold';
    }
    if (!isRedis(point, 'answer', isStep('note-answer'))) return 'pass';
    noted.add(point.process);
    return waiting.has(point.process) ? 'hit' : 'pass';
  };
}

function afterInputs(): Trap {
  const read = new Set<string>();
  return (point) => {
    if (isHttp(point, 'whole', isInputRead)) read.add(point.process);
    return read.has(point.process) && isRedis(point, 'command', isStep('acquire')) ? 'hit' : 'pass';
  };
}

/** A worker holds the lease of a spooled answer and writes its bytes. */
function whileDraining(): Trap {
  const leased = new Set<string>();
  return (point) => {
    if (isRedis(point, 'answer', ({ command, args }) => command === 'SET' && (args[0] ?? '').includes(':spool-lease:')))
      leased.add(point.process);
    if (!leased.has(point.process)) return 'pass';
    return isHttp(point, 'request', isImagePut) || isRedis(point, 'command', isStep('finish-attempt')) ? 'hit' : 'pass';
  };
}

export const STATES: readonly NamedState[] = [
  {
    name: 'api: recorded, items not added',
    role: 'api',
    bait: 'post',
    isEarly: true,
    trap: atRedis('command', isOnLane('bullmq-add')),
  },
  {
    name: 'api: reply not written',
    role: 'api',
    bait: 'post',
    trap: atHttp('reply', ({ link, method, path }) => link === 'front' && method === 'POST' && path === '/v1/jobs'),
  },
  {
    name: 'worker: item taken',
    role: 'worker',
    bait: 'generation',
    trap: atRedis(
      'answer',
      (point) =>
        (isOnLane('bullmq-take')(point) || isOnLane('bullmq-finish')(point)) && point.raw.includes('"jobId":"job_'),
    ),
  },
  { name: 'worker: inputs read', role: 'worker', bait: 'edit', needs: 's3', trap: afterInputs },
  { name: 'worker: permit taken', role: 'worker', bait: 'generation', trap: atRedis('answer', isStep('acquire')) },
  {
    name: 'worker: gate passed, its answer not back',
    role: 'worker',
    bait: 'generation',
    trap: atRedis('answer', isStep('begin-attempt')),
  },
  {
    name: 'worker: gate answered, request not sent',
    role: 'worker',
    bait: 'generation',
    trap: atHttp('request', isImageCall),
  },
  { name: 'worker: request sent', role: 'worker', bait: 'generation', trap: atHttp('sent', isImageCall) },
  {
    name: 'worker: reply half read',
    role: 'worker',
    bait: 'generation',
    trap: atHttp('half', (point) => isImageCall(point) && point.status === 200),
  },
  { name: 'worker: reply read, nothing noted', role: 'worker', bait: 'generation', needs: 's3', trap: beforeAnyNote },
  { name: 'worker: answer noted, not stored', role: 'worker', bait: 'generation', needs: 's3', trap: notedNotStored },
  {
    name: 'worker: stored, not recorded',
    role: 'worker',
    bait: 'generation',
    trap: atRedis('command', (point) => isStep('finish-attempt')(point) && point.args.includes('succeeded')),
  },
  {
    name: 'worker: recorded, item not acknowledged',
    role: 'worker',
    bait: 'generation',
    trap: atRedis('command', isOnLane('bullmq-finish')),
  },
  {
    name: 'worker: batch chunk fed, cursor not saved',
    role: 'worker',
    bait: 'batch',
    isEarly: true,
    trap: atRedis(
      'command',
      ({ command, args }) => command === 'HSET' && (args[0] ?? '').includes(':batch:') && args.includes('cursorByte'),
    ),
  },
  {
    name: 'worker: webhook posted, not recorded',
    role: 'worker',
    bait: 'webhook',
    trap: atRedis('command', isStep('finish-try')),
  },
  {
    name: 'worker: spooled on disk, not noted',
    role: 'worker',
    bait: 'generation',
    storage: 'away',
    trap: atRedis('command', isStep('note-spooled')),
  },
  {
    name: 'worker: spooled and noted',
    role: 'worker',
    bait: 'generation',
    storage: 'away',
    trap: atRedis('answer', isStep('note-spooled')),
  },
  { name: 'worker: draining', role: 'worker', bait: 'generation', storage: 'back', trap: whileDraining },
  {
    name: 'worker: frozen in its put',
    role: 'worker',
    bait: 'generation',
    needs: 's3',
    isLast: true,
    isFrozen: true,
    trap: atHttp('request', isImagePut),
  },
];
