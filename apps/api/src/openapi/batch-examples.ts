// Examples of batches for the OpenAPI document; a test holds them against their schemas.
export const EXAMPLE_BATCH_ID = 'batch_01kb4xwqf7c0v3m8r5y2d9tz6n';

export const EXAMPLE_BATCH_SUBMISSION = {
  input_file_id: 'file-01kb4xwqf7c0v3m8r5y2d9tz6n',
  endpoint: '/v1/images/generations',
  completion_window: '24h',
  metadata: { run: 'catalogue' },
};

export const EXAMPLE_BATCH = {
  id: EXAMPLE_BATCH_ID,
  object: 'batch',
  endpoint: '/v1/images/generations',
  errors: null,
  input_file_id: 'file-01kb4xwqf7c0v3m8r5y2d9tz6n',
  completion_window: '24h',
  status: 'completed',
  output_file_id: 'file-01kb4xwqf7c0v3m8r5y2d9tz6n-output',
  error_file_id: null,
  created_at: 1_795_340_334,
  in_progress_at: 1_795_340_335,
  expires_at: 1_795_426_734,
  finalizing_at: 1_795_340_400,
  completed_at: 1_795_340_401,
  failed_at: null,
  expired_at: null,
  cancelling_at: null,
  cancelled_at: null,
  request_counts: { total: 100, completed: 100, failed: 0 },
  usage: {
    input_tokens: 1_200,
    input_tokens_details: { cached_tokens: 0 },
    output_tokens: 43_900,
    output_tokens_details: { reasoning_tokens: 0 },
    total_tokens: 45_100,
  },
  metadata: { run: 'catalogue' },
  on_invalid: 'reject',
  priority: 'low',
  run: 1,
  progress: {
    requests_submitted: 100,
    requests_invalid: 0,
    images_completed: 100,
    cost_usd: 1.323,
    requests_per_minute: 92.3,
    eta: null,
  },
};

export const EXAMPLE_BATCH_PLAN = {
  object: 'batch.plan',
  request_counts: { total: 100, valid: 100, invalid: 0 },
  errors: null,
  images: 100,
  calls: 100,
  estimated_cost_usd: 1.323,
  max_cost_usd: 1.4,
};
