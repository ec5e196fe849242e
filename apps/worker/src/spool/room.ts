// Room in the host's spool, so that whatever answer comes back can be kept while storage is away: a call takes its share
// before it is sent. A process holds a block of the host's room in Redis, under a lease, and hands out shares of it in memory:
// a call costs no round trip unless the block has to grow. Lanes have shares (lane-shares.ts): a model whose calls hang can't
// hold all of it. Writes no files.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Keys } from '@darkroom/shared/base/keys.ts';
import { loadScript, runScript } from '@darkroom/shared/base/redis.ts';
import { assertNumbers } from '@darkroom/shared/base/redis-reply.ts';
import type { Slot } from '@darkroom/shared/base/slots.ts';
import type { Spool } from '@darkroom/shared/images/spool.ts';
import type { Redis } from 'ioredis';
import { LaneShares } from '../lane-shares.ts';

const HOLD = loadScript(import.meta.url, 'hold-room.lua');

/** A dead process's room is free for others after this long. */
const LEASE_MS = 45_000;
const RENEW_EVERY_MS = 15_000;
/** A block grows by a small part of all there is: what is held and not used stays small, with many workers on a host too. */
const STEPS = 128;
const LARGEST_STEP_BYTES = 64 * 1_024 ** 2;
/** For a call that found no room: another process, or the disk, may have some again. */
const LOOK_AGAIN_MS = 1_000;

const UNKNOWN_IMAGE_BYTES = 8 * 1_024 ** 2;
/** Of an image without compression. */
const PIXEL_BYTES = 4;

/** The most an answer is expected to take: every pixel of a given size, 8 MiB an image when the size is not known. */
export function roomOf(body: Readonly<Record<string, unknown>>, images: number): number {
  const size = /^(\d{1,5})x(\d{1,5})$/.exec(typeof body['size'] === 'string' ? body['size'] : '');
  return images * (size === null ? UNKNOWN_IMAGE_BYTES : Number(size[1]) * Number(size[2]) * PIXEL_BYTES);
}

export interface SpoolRoom {
  /** For the paying gate: the books of this host, and this process in them. */
  readonly hash: string;
  readonly processId: string;
  /**
   * Room for an answer, or null when there is none for the lane now. Who asks for more than there can be gets all of it,
   * alone. But for one call, no lane takes the last tenth of what other lanes leave.
   */
  take(lane: string, bytes: number): Promise<Slot | null>;
  /** So many bytes lie on disk now: they are no room any more, whoever's share they came from. */
  spend(bytes: number): void;
  /** Resolves when a share was freed here, or after a moment. Rejects with the signal's reason. */
  untilMore(signal: AbortSignal): Promise<void>;
  /** The gate says this process holds no room any more: it was frozen for long, or Redis lost it. */
  renew(): Promise<void>;
  close(): Promise<void>;
}

export interface RoomOptions {
  readonly redis: Redis;
  readonly keys: Keys;
  readonly spool: Spool;
  /** Of all processes of the host, with what lies on disk. */
  readonly maxBytes: number;
  readonly onError: (error: unknown) => void;
  /** There is no room any more; called once until there is some again. */
  readonly onFull: () => void;
}

export function openRoom({ redis, keys, spool, maxBytes, onError, onFull }: RoomOptions): SpoolRoom {
  const hash = keys.spoolRoom(spool.hostId);
  const processId = randomUUID();
  let held = 0;
  const shares = new LaneShares();
  const stepBytes = Math.min(LARGEST_STEP_BYTES, Math.ceil(maxBytes / STEPS));
  const inSteps = (bytes: number): number => Math.ceil(bytes / stepBytes) * stepBytes;
  /** For all processes of the host, and what the others hold of it; as of the last look. */
  let size = 0;
  let elsewhere = 0;
  /** The most that was taken since the last renewal: what is not needed for long goes back. */
  let peak = 0;
  let growing: Promise<void> = Promise.resolve();
  /** All the room there can be. */
  let most = maxBytes;
  let isFull = false;
  let freed = new AbortController();

  const available = async (): Promise<number> => {
    const { usedBytes, asideBytes, freeBytes } = await spool.use();
    most = Math.max(0, maxBytes - asideBytes);
    size = Math.max(0, Math.min(maxBytes - usedBytes, freeBytes));
    return size;
  };
  const hold = async (wanted: number, room: number): Promise<void> => {
    held = Math.min(held, wanted); // what is to be given back must not be handed out meanwhile
    const reply = await runScript(redis, HOLD, [hash], [processId, wanted, shares.all, room, LEASE_MS]);
    const books = Array.isArray(reply) ? reply : [];
    assertNumbers(books, 2, 'hold-room');
    [held, elsewhere] = books as [number, number];
  };
  const grow = async (bytes: number): Promise<void> => {
    const room = await available();
    const needed = shares.all + Math.min(bytes, most);
    await hold(inSteps(needed), room);
    if (held < needed) await hold(needed, room);
  };
  /** Nothing does while all there is was put aside, though then nothing would be needed. */
  const fits = (bytes: number): boolean => most > 0 && shares.all + Math.min(bytes, most) <= held;
  const fitsLane = (lane: string, bytes: number): boolean =>
    fits(bytes) && shares.mayHold(lane, Math.min(bytes, most), size, elsewhere);
  /** One at a time: each asks for what those before it have not got. */
  const growAfter = async (earlier: Promise<void>, lane: string, bytes: number): Promise<void> => {
    await earlier;
    if (!fits(bytes)) await grow(bytes);
    else if (!fitsLane(lane, bytes)) await hold(held, await available()); // other processes may hold less by now
  };
  const renew = async (): Promise<void> => {
    if (peak === 0 && held === 0) return;
    const room = await available();
    const wanted = inSteps(Math.max(peak, shares.all));
    peak = shares.all;
    await hold(wanted, room);
  };
  const timer = setInterval(() => void renew().catch(onError), RENEW_EVERY_MS);

  const share = (lane: string, bytes: number): Slot => {
    shares.add(lane, bytes);
    peak = Math.max(peak, shares.all);
    let isFree = false;
    return {
      free() {
        if (isFree) return;
        isFree = true;
        shares.remove(lane, bytes);
        freed.abort();
        freed = new AbortController();
      },
    };
  };

  return {
    hash,
    processId,
    async take(lane, bytes) {
      if (fitsLane(lane, bytes)) return share(lane, Math.min(bytes, most));
      const grown = growAfter(growing, lane, bytes);
      growing = grown.catch(() => undefined); // its own caller hears of it
      await grown;
      const wasFull = isFull;
      isFull = !fits(bytes);
      if (isFull && !wasFull) onFull();
      return fitsLane(lane, bytes) ? share(lane, Math.min(bytes, most)) : null;
    },
    spend(bytes) {
      held = Math.max(0, held - bytes);
      size = Math.max(0, size - bytes);
    },
    async untilMore(signal) {
      const either = AbortSignal.any([signal, freed.signal]);
      await sleep(LOOK_AGAIN_MS, undefined, { signal: either }).catch(() => undefined); // it rejects only for a signal
      signal.throwIfAborted();
    },
    renew,
    async close() {
      clearInterval(timer);
      // Redis may be away; then the lease ends by itself.
      await Promise.race([hold(0, 0), sleep(1_000, undefined, { ref: false })]);
    },
  };
}
