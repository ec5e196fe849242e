// `validating`: all lines are checked before anything is spent.
import { buildImageCheck } from '@darkroom/shared/batches/check-images.ts';
import { checkLines } from '@darkroom/shared/batches/check-lines.ts';
import type { BatchRecord } from '@darkroom/shared/batches/record.ts';
import { moveBatch } from '@darkroom/shared/batches/steps.ts';
import type { Deps } from '../../deps.ts';
import { readValidationContext } from './validation-context.ts';

export async function validateBatch(deps: Deps, record: BatchRecord): Promise<boolean> {
  const { id, spec } = record;
  const startedAt = Date.now();
  const { total, invalid, invalidImages, problems, duplicates, isHopeless } = await checkLines(
    { store: deps.store, checkImages: buildImageCheck(deps.desk, spec.account) },
    spec.inputKey,
    spec.endpoint,
    await readValidationContext(deps, spec.account),
  );
  const isRefused = isHopeless || invalid === total || (invalid > 0 && spec.onInvalid === 'reject');
  const fields = {
    total,
    invalid: isRefused ? invalid : invalid - invalidImages,
    problems: JSON.stringify(problems),
    duplicates: JSON.stringify(duplicates),
  };
  const moved = await moveBatch(deps.batchSteps, record, 'validating', isRefused ? 'failed' : 'in_progress', fields);
  deps.log.info({ batchId: id, total, invalid, isRefused, ms: Date.now() - startedAt }, 'batch validated');
  return moved;
}
