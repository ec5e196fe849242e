// The threads in which libuv does what may block, files first of all; main.ts imports this before anything else, because libuv
// asks for their number when it first needs one. By default there are four, and a storage that hangs (a network mount whose
// server is away) keeps each that asks it something: the first put would take them all, and the spool on another disk, which is
// there for just that, could not write. UV_THREADPOOL_SIZE told by the operator stays.

/**
 * The put of an image takes up to four, so this is for 30 images that come in the 5 s until the breaker is open. Bounding what is asked
 * of the disk instead took a third of all whole jobs (benchmarks/README.md). A thread takes some 10 KB.
 */
const THREADS = 128;

process.env['UV_THREADPOOL_SIZE'] ||= String(THREADS);
