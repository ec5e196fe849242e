// TEST ONLY. What was asked of a job: one image, as plainly as can be. Tests change what they are about.
import type { JobSpec } from './spec.ts';

export const TEST_SPEC: JobSpec = {
  account: 'acme',
  operation: 'generation',
  sentAs: 'generation',
  model: 'gpt-image-2',
  requestedModel: null,
  lane: 'gpt-image-2',
  input: { prompt: 'a cat' },
  body: { model: 'gpt-image-2', prompt: 'a cat' },
  calls: [[0]],
  outputFormat: 'png',
  downscaleTo: null,
  warnings: [],
  metadata: {},
  priority: 'normal',
  expiresAfterSeconds: 3_600,
  onUnknown: null,
  responseFormat: null,
  batchId: null,
  customId: null,
  webhook: null,
};
