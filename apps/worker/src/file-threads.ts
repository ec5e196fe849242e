// The threads in which libuv does what may block, files first of all; main.ts imports this before anything else, because libuv
// asks for their number when it first needs one. By default there are four, and a storage that hangs (a network mount whose
// server is away) keeps each that asks it something: the first put would take them all, and the spool on another disk, which is
// there for just that, could not write. So there are more than the disk store asks for at a time. UV_THREADPOOL_SIZE told by
// the operator stays.
import { LOOKS_AT_ONCE, PUTS_AT_ONCE, THREADS_OF_A_PUT } from '@darkroom/shared/images/disk-places.ts';

/** For the spool, names looked up, batches, and images scaled. */
const SPARE = 20;

process.env['UV_THREADPOOL_SIZE'] ||= String(PUTS_AT_ONCE * THREADS_OF_A_PUT + LOOKS_AT_ONCE + SPARE);
