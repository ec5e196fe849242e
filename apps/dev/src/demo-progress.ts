// One line per job: redrawn as a bar on a terminal, printed once per change elsewhere.
import type { Job } from './demo-client.ts';

const BAR_WIDTH = 20;
const CLEAR_LINE = '\u001b[2K';

export interface ProgressOutput {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface Progress {
  update(index: number, job: Job): void;
}

/** Shows the jobs named by `titles`, by their index. */
export function showProgress(titles: readonly string[], output: ProgressOutput): Progress {
  const width = Math.max(...titles.map((title) => title.length));
  const lines = titles.map((title) => `${title.padEnd(width)}  ${barOf(0, 1)}`);
  const shown: string[] = [];
  if (output.isTTY) output.write(`${lines.join('\n')}\n`);
  return {
    update(index, job) {
      const { images_completed: done, images_requested: all } = job.progress;
      const state = job.error === null ? job.status : `${job.status}: ${job.error.code ?? job.error.message}`;
      const count = `${done}/${all}`.padStart(5);
      const line = output.isTTY
        ? `${(titles[index] ?? '').padEnd(width)}  ${barOf(done, all)} ${count}  ${state}`
        : `${(titles[index] ?? '').padEnd(width)}  ${count}  ${state}`;
      if (shown[index] === line) return;
      shown[index] = line;
      lines[index] = line;
      output.write(output.isTTY ? redraw(lines, index, output.columns ?? 120) : `${line}\n`);
    },
  };
}

function barOf(done: number, all: number): string {
  const filled = Math.round((BAR_WIDTH * done) / Math.max(1, all));
  return '█'.repeat(filled) + '░'.repeat(BAR_WIDTH - filled);
}

/** Up to the line, the line anew (cut, as a wrapped one would move the others), and down again. */
function redraw(lines: readonly string[], index: number, columns: number): string {
  const up = lines.length - index;
  return `\u001b[${up}A\r${CLEAR_LINE}${(lines[index] ?? '').slice(0, columns - 1)}\u001b[${up}B\r`;
}
