// Numbers worth seeing beside the results of a run.
export function say(what: string): void {
  process.stdout.write(`   ▸ ${what}\n`);
}
