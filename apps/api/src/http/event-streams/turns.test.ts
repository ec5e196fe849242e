import { describe, expect, it } from 'vitest';
import { buildTurns } from './turns.ts';

describe('turns', () => {
  it('run no more at a time than there are places, in the order asked, also when one fails', async () => {
    const inTurn = buildTurns(2);
    const log: string[] = [];
    const gates = Array.from({ length: 4 }, () => Promise.withResolvers<void>());
    const works = gates.map(({ promise }, index) =>
      inTurn(async () => {
        log.push(`${index} begins`);
        await promise;
      }).catch(() => void log.push(`${index} fails`)),
    );
    await Promise.resolve();
    expect(log).toEqual(['0 begins', '1 begins']);
    gates[1]?.reject(new Error('x'));
    await works[1];
    expect(log).toEqual(['0 begins', '1 begins', '2 begins', '1 fails']);
    for (const { resolve } of gates) resolve();
    await Promise.all(works);
    expect(log.at(-1)).toBe('3 begins');
  });
});
