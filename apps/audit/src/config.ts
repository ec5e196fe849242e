// The audit's variables: where the records and the images are, and how long things may take. The only process.env reader of
// this app; API and worker read the same variables.
import { readVariables, type Values } from '@darkroom/shared/base/config.ts';
import { callVariables } from '@darkroom/shared/base/variables.ts';
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
  ...callVariables,
};

export type AuditConfig = Values<typeof auditVariables>;

/** Throws ConfigError naming every wrong variable. */
export function readConfig(): AuditConfig {
  return readVariables(auditVariables, process.env);
}
