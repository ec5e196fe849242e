// A command as a caller would type it: its output, or an error with what it said.
import { execFile } from 'node:child_process';

const MOST_OUTPUT_BYTES = 64 * 1024 * 1024;

export interface CommandOutput {
  readonly stdout: string;
  readonly stderr: string;
}

/** `input` goes to its standard input. Rejects unless it exits with 0. */
export function runCommand(command: string, args: readonly string[], input = ''): Promise<CommandOutput> {
  return new Promise((resolve, reject) => {
    const child = execFile(command, args, { maxBuffer: MOST_OUTPUT_BYTES }, (error, stdout, stderr) => {
      if (error === null) resolve({ stdout, stderr });
      else reject(new Error(`${command} failed: ${stderr}`, { cause: error }));
    });
    child.stdin?.end(input);
  });
}
