// How long a request may wait for its job: `Prefer: wait=N` of a submit (RFC 7240), `?wait=N` of a poll.
import { ServiceError } from '@darkroom/shared/base/errors.ts';

export const LONGEST_WAIT_SECONDS = 600;

export interface Preference {
  /** Seconds to wait, 1..600; 0 = answer at once. */
  readonly waitSeconds: number;
  /** `respond-async`: 202 rather than a wait, or after the wait asked for. */
  readonly isAsync: boolean;
  /** The `Preference-Applied` header; null when no preference was understood. */
  readonly applied: string | null;
}

const NO_PREFERENCE: Preference = { waitSeconds: 0, isAsync: false, applied: null };

/** A preference that is not understood is ignored, as RFC 7240 asks; a wait is cut to 1..600 s. */
export function parsePrefer(header: string | undefined): Preference {
  if (header === undefined) return NO_PREFERENCE;
  const preferences = new Map(header.split(',').map(splitPreference));
  const wait = preferences.get('wait') ?? '';
  const waitSeconds = /^\d{1,9}$/.test(wait) ? Math.min(Math.max(Number(wait), 1), LONGEST_WAIT_SECONDS) : 0;
  const applied = [
    ...(preferences.has('respond-async') ? ['respond-async'] : []),
    ...(waitSeconds > 0 ? [`wait=${waitSeconds}`] : []),
  ];
  return {
    waitSeconds,
    isAsync: preferences.has('respond-async'),
    applied: applied.length > 0 ? applied.join(', ') : null,
  };
}

function splitPreference(text: string): [name: string, value: string] {
  const [name = '', value = ''] = (text.split(';')[0] ?? '').split('=');
  return [name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, '$1')];
}

/** `?wait=`: 1..600, else ServiceError; absent is 0. */
export function parseWait(text: string | null): number {
  if (text === null) return 0;
  const seconds = /^\d{1,4}$/.test(text) ? Number(text) : 0;
  if (seconds >= 1 && seconds <= LONGEST_WAIT_SECONDS) return seconds;
  throw new ServiceError(
    'invalid_value',
    `'wait' must be a whole number of seconds from 1 to ${LONGEST_WAIT_SECONDS}.`,
    {
      param: 'wait',
    },
  );
}
