import { expect, test } from 'vitest';
import { burstMsOf } from './burst.ts';

test.each([
  ['nothing told: five seconds, a quarter of one kept back', undefined, 4_750],
  ['a long one: as much kept back', { burst_seconds: 60 }, 59_750],
  ['a short one: a quarter of it kept back', { burst_seconds: 0.4 }, 300],
  ['none: none', { burst_seconds: 0 }, 0],
])('%s', (_, told, ms) => {
  expect(burstMsOf(told)).toBe(ms);
});
