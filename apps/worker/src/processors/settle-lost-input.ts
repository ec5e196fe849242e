// A call whose input image is gone: it fails for good, without an attempt, and nothing is paid.

import type { ServiceError } from '@darkroom/shared/base/errors.ts';
import { itemIdOf } from '@darkroom/shared/base/ids.ts';
import { failCall } from '@darkroom/shared/jobs/attempt-steps.ts';
import { itemLockKey } from '@darkroom/shared/queues/call-queue.ts';
import type { Deps } from '../deps.ts';
import type { CallWork } from './run-call.ts';

export async function settleLostInput(deps: Deps, work: CallWork, token: string, error: ServiceError): Promise<void> {
  const { record, call } = work;
  const { code, type, message, param, status } = error;
  const failed = await failCall(deps.steps, {
    jobId: record.id,
    call,
    run: record.run,
    lockKey: itemLockKey(deps.keys, record.spec.lane, itemIdOf(record.id, call, record.run)),
    lockToken: token,
    error: { code, type, message, param, status },
  });
  if ('jobEnded' in failed && failed.jobEnded !== null) deps.metrics.jobsEnded.inc({ status: failed.jobEnded });
  deps.log.error({ jobId: record.id, call, param, end: failed.kind }, 'an input image is gone: the call has failed');
}
