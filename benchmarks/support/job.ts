// The job every benchmark sends: one image.

export function jobBody(size: string): object {
  return {
    operation: 'generation',
    input: {
      model: 'gpt-image-2.6-flare',
      prompt: 'a white siamese cat, [<id>]',
      size,
      quality: 'low',
      output_format: 'png',
    },
  };
}

/** Submits a job, waits for its end and checks that it got its image. */
export async function runJob(apiUrl: string, size: string): Promise<void> {
  const reply = await fetch(`${apiUrl}/v1/jobs`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=60' },
    body: JSON.stringify(jobBody(size)),
  });
  const job = (await reply.json()) as { status?: string; error?: unknown };
  if (reply.status !== 200 || job.status !== 'completed') {
    throw new Error(`the job did not complete: ${reply.status} ${job.status} ${JSON.stringify(job.error)}`);
  }
}
