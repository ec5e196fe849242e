// Bounds V8's young generation; each process's main.ts imports this before all that is large. Left to itself it grows to about 100 MB of
// short-lived objects, with which 2,000 event streams take 320 MB of memory instead of 220 to 250; accepting jobs is no
// faster for it. The same as `node --max-semi-space-size=8`, which can't be asked of everyone who starts the process.
import { PerformanceObserver } from 'node:perf_hooks';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';

/** Both semi-spaces together. */
const LARGEST_BYTES = 16 * 2 ** 20;

function adjust(): void {
  const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === 'new_space');
  setGrowth((young?.space_size ?? 0) < LARGEST_BYTES ? 2 : 1);
}

function setGrowth(factor: 1 | 2): void {
  setFlagsFromString(`--semi-space-growth-factor=${factor}`);
}

// Not at all while the program is read, many collections in one go; then after each collection, because V8 also makes it
// smaller at rest.
setGrowth(1);
new PerformanceObserver(adjust).observe({ entryTypes: ['gc'] });
