// TEST ONLY. A process that inspects images, all at once, and prints by how many bytes its memory grew and what came of
// each: `node test-inspect-child.ts <path> …`.
import { statSync } from 'node:fs';
import { resourceUsage } from 'node:process';
import { Slots } from '../base/slots.ts';
import { DECODING_PLACES, inspectInput } from './inspect-input.ts';

const paths = process.argv.slice(2);
const decoding = new Slots(DECODING_PLACES);
const before = resourceUsage().maxRSS;
const outcomes = await Promise.all(
  paths.map((path) =>
    inspectInput('image', { path, bytes: statSync(path).size, sha256: '' }, decoding).then(
      ({ width, height }) => `${width}x${height}`,
      (error: Error) => error.message,
    ),
  ),
);
process.stdout.write(JSON.stringify({ outcomes, grownBytes: (resourceUsage().maxRSS - before) * 1_024 }));
