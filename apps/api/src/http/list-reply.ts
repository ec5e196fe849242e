// A page of a list in the form all lists have.
import type { OnUnreadable } from '@darkroom/shared/jobs/store.ts';
import type { Logger } from '@darkroom/shared/telemetry/logger.ts';

export interface ListReply<T> {
  readonly object: 'list';
  readonly data: readonly T[];
  readonly first_id: string | null;
  readonly last_id: string | null;
  readonly has_more: boolean;
}

/** A damaged record is missing from the list, and an operator has to hear of it. */
export function reportUnreadable(logger: Logger): OnUnreadable {
  return (error) => logger.error({ err: error }, 'a job is left out of a list: its record cannot be read');
}

/** `cursor`: where the next page goes on, when records were passed over after the last one shown. */
export function toListReply<T extends { readonly id: string }>(
  data: readonly T[],
  hasMore: boolean,
  cursor: string | null = null,
): ListReply<T> {
  const lastId = data.at(-1)?.id ?? null;
  return {
    object: 'list',
    data,
    first_id: data[0]?.id ?? null,
    last_id: hasMore ? (cursor ?? lastId) : lastId,
    has_more: hasMore,
  };
}
