// How much a process asks of the disk store at a time. A disk that hangs keeps a thread of libuv for each thing it is asked, and
// the spool on another disk needs some too: the worker has more than all of these together (its file-threads.ts).

export const PUTS_AT_ONCE = 8;
/** Three files and a folder. */
export const THREADS_OF_A_PUT = 4;
/** Of everything else but streamed bodies, which come one thread at a time, and lists. */
export const LOOKS_AT_ONCE = 12;
