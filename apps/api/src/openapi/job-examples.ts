// Example bodies of the job routes, as they stand in the OpenAPI document.
import { EXAMPLE_JOB_ID } from './replies.ts';

const CREATED_AT = 1_795_340_334;
const IMAGE_ID = `${EXAMPLE_JOB_ID.replace('job_', 'img_')}_0`;

const EXAMPLE_INPUT = {
  model: 'gpt-image-2.6-sunburst',
  prompt: 'a white siamese cat',
  n: 1,
  size: '1536x1024',
  quality: 'high',
};

export const EXAMPLE_SUBMISSION = {
  operation: 'generation',
  input: EXAMPLE_INPUT,
  metadata: { order: '42' },
  priority: 'normal',
  expires_after: 3_600,
};

export const EXAMPLE_QUEUED_JOB = {
  id: EXAMPLE_JOB_ID,
  object: 'job',
  operation: 'generation',
  status: 'queued',
  model: EXAMPLE_INPUT.model,
  requested_model: EXAMPLE_INPUT.model,
  created_at: CREATED_AT,
  started_at: null,
  finished_at: null,
  expires_at: CREATED_AT + 3_600,
  cancel_requested_at: null,
  run: 1,
  queue_position: 12,
  expected_wait_seconds: 3,
  input: EXAMPLE_INPUT,
  progress: { images_requested: 1, images_completed: 0, images_failed: 0, images_withheld: 0 },
  images: [],
  errors: [],
  error: null,
  usage: { images: 0, input_tokens: 0, output_tokens: 0, total_tokens: 0, cost_usd: 0, possible_extra_cost_usd: 0 },
  warnings: [],
  metadata: { order: '42' },
  batch_id: null,
  custom_id: null,
  priority: 'normal',
};

export const EXAMPLE_COMPLETED_JOB = {
  ...EXAMPLE_QUEUED_JOB,
  status: 'completed',
  queue_position: null,
  expected_wait_seconds: null,
  started_at: CREATED_AT + 1,
  finished_at: CREATED_AT + 43,
  progress: { images_requested: 1, images_completed: 1, images_failed: 0, images_withheld: 0 },
  images: [
    {
      id: IMAGE_ID,
      index: 0,
      url: `http://localhost:3000/v1/images/${IMAGE_ID}/content?exp=1795426777&sig=9fKq3…`,
      url_expires_at: 1_795_426_777,
      content_type: 'image/png',
      bytes: 1_523_011,
      width: 1_536,
      height: 1_024,
      sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      revised_prompt: null,
    },
  ],
  usage: {
    images: 1,
    input_tokens: 11,
    output_tokens: 4_160,
    total_tokens: 4_171,
    cost_usd: 0.124855,
    possible_extra_cost_usd: 0,
  },
};

const { n: _, ...bodyWithoutN } = EXAMPLE_INPUT;

export const EXAMPLE_PLAN = {
  object: 'job.plan',
  operation: 'generation',
  model: EXAMPLE_INPUT.model,
  requested_model: EXAMPLE_INPUT.model,
  calls: [{ index: 0, images: [0] }],
  body: bodyWithoutN,
  warnings: [],
  estimated_cost_usd: 0.124855,
  max_cost_usd: 0.124925,
  expected_wait_seconds: 3,
};

export const EXAMPLE_ATTEMPTS = {
  object: 'list',
  data: [
    {
      object: 'attempt',
      call: 0,
      attempt: 1,
      run: 1,
      image_indexes: [0],
      started_at: CREATED_AT + 1,
      ended_at: CREATED_AT + 42,
      outcome: 'succeeded',
      status: 200,
      code: null,
      upstream_request_id: 'req_8f1c2d',
      duration_ms: 41_204,
      cost_usd: 0.124855,
      possible_extra_cost_usd: 0,
    },
  ],
  has_more: false,
};
