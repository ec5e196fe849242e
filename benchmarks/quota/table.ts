// The result table, row by row: a run takes hours, so each row is written when it is known.
import type { Figures, Run } from './figures.ts';
import type { Scenario } from './scenarios.ts';

const COLUMNS = [
  'scenario',
  'images',
  'makespan',
  'minimum',
  'ratio',
  'use',
  '429s',
  '429 share',
  'burst seen',
  'first image',
  'longest gap',
  'worker CPU an image',
  'not got',
  'second account',
  'load',
];

export const TABLE_HEAD = `${toLine(COLUMNS)}\n${toLine(COLUMNS.map((_, column) => (column === 0 ? '---' : '--:')))}`;

export interface Result {
  readonly scenario: Scenario;
  readonly images: number;
  readonly run: Run;
  readonly figures: Figures;
  /** One-minute load average at the end. */
  readonly load: number;
}

export function toRow({ scenario, images, run, figures, load }: Result): string {
  const { makespanMs, minimumMs, use, refused, requests, burstSeconds, firstImageMs, longestGapMs, second } = figures;
  return toLine([
    scenario.name,
    String(images),
    seconds(makespanMs),
    seconds(minimumMs),
    (makespanMs / minimumMs).toFixed(3),
    percent(use),
    String(refused),
    percent(refused / requests),
    burstSeconds === null ? '' : `${burstSeconds.toFixed(2)} s`,
    seconds(firstImageMs),
    seconds(longestGapMs),
    run.workersCpuMs === null ? '' : `${(run.workersCpuMs / images).toFixed(0)} ms`,
    notGot(images, run, figures),
    second === null ? '' : `${percent(second.share)}, first image after ${seconds(second.firstImageMs)}`,
    load.toFixed(1),
  ]);
}

/** Images the client did without, and those that were made for nobody. */
function notGot(images: number, run: Run, { surplus }: Figures): string {
  const lost = `${images - run.images}`;
  return surplus === 0 ? lost : `${lost} (${surplus} made in vain)`;
}

function toLine(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`;
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}
