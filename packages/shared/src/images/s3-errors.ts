// What an S3 server, or something before it, said when it refused a request.

interface Answered {
  readonly $metadata?: { readonly httpStatusCode?: number };
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error ? (error as Answered).$metadata?.httpStatusCode : undefined;
}

/** The server's name for it, which a proxy's page has none of, and the status. */
export function reasonOf(error: unknown): string {
  const name = error instanceof Error ? error.name : String(error);
  const status = statusOf(error);
  return status === undefined ? name : `${name}, HTTP ${status}`;
}

/** As MinIO and Ceph say it; AWS never is. */
export function isFull(error: unknown): boolean {
  return statusOf(error) === 507 || (error instanceof Error && error.name === 'QuotaExceeded');
}
