// The audit's variables: where the records and the images are, and how long things may take. The only process.env reader of
// this app; API and worker read the same variables.
import { readVariables, type Values, variable } from '@darkroom/shared/base/config.ts';
import { wholeNumber } from '@darkroom/shared/base/variables.ts';
import { checkedVariables } from '@darkroom/shared/jobs/checked-variables.ts';

const { REDIS_URL, REDIS_PREFIX, STORAGE_URL, S3_FORCE_PATH_STYLE, AWS_ENDPOINT_URL_S3, AWS_REGION, JOB_RETENTION } =
  checkedVariables;
const auditVariables = {
  REDIS_URL,
  REDIS_PREFIX,
  STORAGE_URL,
  S3_FORCE_PATH_STYLE,
  AWS_ENDPOINT_URL_S3,
  AWS_REGION,
  JOB_RETENTION,
  CALL_TIMEOUT_MS: variable(wholeNumber(100, 3_600_000), '600000', {
    about: 'Longest upstream attempt of the workers, ms.',
    allowed: '100..3600000',
  }),
  LOCK_DURATION_MS: variable(wholeNumber(1_000, 600_000), '60000', {
    about: 'How long a dead worker keeps its calls from the others, ms.',
    allowed: '1000..600000',
  }),
};

export type AuditConfig = Values<typeof auditVariables>;

/** Throws ConfigError naming every wrong variable. */
export function readConfig(): AuditConfig {
  return readVariables(auditVariables, process.env);
}
