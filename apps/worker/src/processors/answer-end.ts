// How an answer ends its attempt: whole, short of images, or with images lost. The same for one settled at once and for one
// that waited in the spool.
import type { Finish } from '@darkroom/shared/jobs/attempt-steps.ts';
import type { StoredError } from '@darkroom/shared/jobs/record.ts';

/** `images`: the indexes asked for; `answered`: how many images came; `lost`: why one of them can never be had. */
export function endOf(
  images: readonly number[],
  answered: number,
  lost: StoredError | null,
  requestId: string | null,
): Pick<Finish, 'count' | 'isFinal' | 'error'> {
  const isShort = answered < images.length;
  return {
    count: isShort ? 'unknown' : '',
    isFinal: lost !== null,
    error: lost ?? (isShort ? shortError(images.length, answered, requestId) : null),
  };
}

function shortError(asked: number, answered: number, requestId: string | null): StoredError {
  return {
    code: 'outcome_unknown',
    type: 'server_error',
    message: `The upstream sent ${answered} of the ${asked} images asked for; the others may have been charged.`,
    param: null,
    status: 502,
    requestId,
  };
}
