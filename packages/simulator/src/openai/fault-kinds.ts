/** The closed list of faults of the Images API, by the point of a request at which they act. */

/** Before the parameters are looked at: the edge, the key, the model's existence, the connection. */
export const EDGE_KINDS = [
  'invalid_api_key',
  'model_not_found_400',
  'model_not_found_404',
  'gone_410',
  'empty_404',
  'cloudflare_520',
  'edge_1015',
  'reset_before_work',
  'status',
] as const;

/** After validation, instead of admission to the work. */
export const ADMISSION_KINDS = [
  'rate_limit_images',
  'rate_limit_requests',
  'rate_limit_tokens',
  'rate_limit_legacy',
  'rate_limit_zero',
  'rate_limit_too_large',
  'rate_limit_in_200',
  'slow_down',
  'insufficient_quota',
  'billing_hard_limit',
  'org_unverified',
  'no_model_access',
  'server_error',
  'overloaded',
  'request_timeout_408',
  'conflict_409',
  'gateway_timeout_504',
  'moderation_input',
] as const;

/** In place of, or on the way of, the answer to work that is done. */
export const WORK_KINDS = [
  'moderation_output',
  'hang',
  'reset_after_work',
  'truncated_body',
  'no_data',
  'partial_data',
] as const;

/** Change how an answer is made and go together with any other fault. */
export const MODIFIER_KINDS = ['latency', 'slow_body', 'dead_link'] as const;

export type EdgeKind = (typeof EDGE_KINDS)[number];
export type AdmissionKind = (typeof ADMISSION_KINDS)[number];
export type WorkKind = (typeof WORK_KINDS)[number];
export type ModifierKind = (typeof MODIFIER_KINDS)[number];
export type FaultKind = EdgeKind | AdmissionKind | WorkKind | ModifierKind;

export const FAULT_KINDS: readonly FaultKind[] = [...EDGE_KINDS, ...ADMISSION_KINDS, ...WORK_KINDS, ...MODIFIER_KINDS];
/** A fault may be narrowed to a model (id as sent, id, or family), an operation and an API key (its last 4 characters). */
export const FAULT_MATCH_KEYS = { model: null, key: null, operation: ['generation', 'edit', 'variation'] } as const;
