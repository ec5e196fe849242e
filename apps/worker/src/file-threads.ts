// The threads in which libuv does what may block, files first of all; main.ts imports this before anything else, because libuv
// asks for their number when it first needs one. By default there are four, and a storage that hangs (a network mount whose
// server is away) keeps each that asks it something: the first put would take them all, and the spool on another disk, which is
// there for just that, could not write. So there are enough for all that can hang at once. Each takes some 10 KB.
// UV_THREADPOOL_SIZE told by the operator stays.

/** Of a call: three files and a folder of its put, or the inputs it reads before. */
const OF_A_CALL = 5;
/** For the spool, names looked up, batches, and what looks after the storage. */
const SPARE = 28;
const [LEAST, MOST] = [256, 1_024];

const calls = Number(process.env['WORKER_CONCURRENCY']) || 0;
process.env['UV_THREADPOOL_SIZE'] ??= String(Math.min(MOST, Math.max(LEAST, calls * OF_A_CALL + SPARE)));
