// What a run of Darkroom must never show, however well it used the limit: jobs without their images, images made for nobody
// or twice. A comparison of the work with the client's count and the upstream's ledger. Pure.
import type { Run } from './figures.ts';
import type { Scenario } from './scenarios.ts';
import type { LedgerRequest } from './upstream.ts';
import type { Call } from './work.ts';

/** A sentence for each; empty when all is as it must be. The SDK promises nothing of the kind. */
export function faultsOf(
  scenario: Scenario,
  calls: readonly Call[],
  run: Run,
  ledger: readonly LedgerRequest[],
): readonly string[] {
  if (scenario.client === 'sdk') return [];
  const asked = calls.reduce((sum, { body }) => sum + body.n, 0);
  const faults: string[] = [];
  if (run.failed > 0) faults.push(`${run.failed} jobs did not complete`);
  if (run.images !== asked) faults.push(`${run.images} images of ${asked} arrived`);
  const billed = new Map<string | null, number>();
  for (const { prompt, billedImages } of ledger) billed.set(prompt, (billed.get(prompt) ?? 0) + billedImages);
  for (const { body } of calls) {
    const made = billed.get(body.prompt) ?? 0;
    if (made !== body.n) faults.push(`'${body.prompt}': ${made} images were billed, not ${body.n}`);
    billed.delete(body.prompt);
  }
  for (const [prompt, made] of billed) if (made > 0) faults.push(`'${prompt}', which nobody asked for: ${made} images`);
  const others = ledger.filter(({ status }) => status !== 200 && status !== 429);
  if (others.length > 0) faults.push(`${others.length} requests ended otherwise than with 200 or 429`);
  return faults.map((fault) => `${scenario.name}: ${fault}`);
}
