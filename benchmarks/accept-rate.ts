// How fast jobs are accepted: POST /v1/jobs without a worker, against a bare route that does one BullMQ add on the same
// Redis. Each API is one process, one after the other.
import { withStack } from './support/bench-stack.ts';
import { cpuOf, processesOf, toCpuRows } from './support/breakdown.ts';
import { CONNECTIONS, hammer, warmUp } from './support/hammer.ts';
import { jobBody } from './support/job.ts';
import { startProcess } from './support/processes.ts';
import { perSecond, type Row, ratio } from './support/row.ts';

const SECONDS = 5;

export async function measureAcceptRate(): Promise<Row[]> {
  const body = jobBody('1024x1024');
  const env = { MAX_QUEUE_DEPTH: '100000000' };
  return withStack({ workers: 0, env, upstreamUrl: 'http://127.0.0.1:9' }, async (stack) => {
    const target = { url: `${stack.apiUrl}/v1/jobs`, body };
    await warmUp(target);
    const processes = processesOf(stack);
    const before = cpuOf(processes);
    const ours = await hammer(target, 202, SECONDS);
    const costs = toCpuRows(processes, before, ours.total);
    const bare = await startProcess('bare-api', [stack.redisUrl]);
    const bareTarget = { url: `${bare.url}/v1/jobs`, body };
    await warmUp(bareTarget);
    const ceiling = await hammer(bareTarget, 202, SECONDS);
    await bare.child.stop();
    return [
      {
        what: `jobs accepted, ${CONNECTIONS} connections (ceiling: bare Fastify + one queue.add)`,
        measured: perSecond(ours.perSecond),
        ceiling: perSecond(ceiling.perSecond),
        ratio: ratio(ours.perSecond, ceiling.perSecond),
      },
      ...costs,
    ];
  });
}
