// The same work for every client: calls for images of the smallest size, and whose they are.
import type { Scenario } from './scenarios.ts';

export type AccountName = 'alpha' | 'beta';

export interface Call {
  readonly account: AccountName;
  readonly body: {
    readonly model: string;
    readonly prompt: string;
    readonly n: number;
    readonly size: '1024x640';
    readonly quality: 'low';
    readonly output_format: 'jpeg';
  };
}

export const MODEL = 'gpt-image-2.6-flare';

/** Calls for `images` in all. The first word of a prompt is its account. */
export function planWork(scenario: Scenario, images: number): readonly Call[] {
  const second = scenario.client === 'darkroom' ? Math.round(images * scenario.secondShare) : 0;
  return [...callsOf('alpha', scenario.mix, images - second), ...callsOf('beta', scenario.mix, second)];
}

function callsOf(account: AccountName, mix: readonly number[], images: number): Call[] {
  const calls: Call[] = [];
  for (let left = images; left > 0; ) {
    const n = Math.min(left, mix[calls.length % mix.length] ?? 1);
    const prompt = `${account} ${calls.length}: a white siamese cat`;
    calls.push({
      account,
      body: { model: MODEL, prompt, n, size: '1024x640', quality: 'low', output_format: 'jpeg' },
    });
    left -= n;
  }
  return calls;
}
