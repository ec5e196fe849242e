// Which Darkroom the demo talks to, and whether its pictures cost money.
import { answers, findSimulator, isWorthShowing, PORT, startService, upstreamFromEnvironment } from './service.ts';

export interface DemoTarget {
  readonly url: string;
  /** Where faults can be ordered; null when the upstream may be the real one. */
  readonly simulatorUrl: string | null;
  /** Rejects when a part of a service of our own ends by itself; of another's service nothing is known. */
  readonly broken: Promise<never>;
  /** Stops the service if the demo started it. */
  stop(): Promise<void>;
  readonly isOurs: boolean;
}

/** A reason not to go on, for people. */
export class DemoRefusal extends Error {}

/**
 * The service at DARKROOM_URL or, without one, that of `npm start`; when none listens there, one of our own. Throws
 * DemoRefusal when that one would buy at a real upstream and nobody said yes.
 */
export async function openDemoTarget(saidYes: boolean): Promise<DemoTarget> {
  const told = process.env['DARKROOM_URL'] || null;
  const url = (told ?? `http://localhost:${PORT}`).replace(/\/+$/, '');
  if (await answers(`${url}/livez`)) {
    const simulatorUrl = await findSimulator(url);
    return { url, simulatorUrl, broken: never(), stop: async () => {}, isOurs: false };
  }
  if (told !== null) throw new DemoRefusal(`No Darkroom answers at DARKROOM_URL (${told}).`);
  if (upstreamFromEnvironment() !== null && !saidYes) {
    throw new DemoRefusal(
      'OPENAI_API_KEY, OPENAI_KEYS_FILE or OPENAI_BASE_URL is set: this demo would buy about 25 images from a real API, for real money.\n' +
        'Run `npm run demo -- --yes` to buy them, or unset the variable to use the simulator.',
    );
  }
  return startOwn();
}

async function startOwn(): Promise<DemoTarget> {
  console.log('No Darkroom is running here; starting one …');
  const log: string[] = [];
  const service = await startService((name, line) => {
    if (isWorthShowing(line)) log.push(`${name.padEnd(9)} ${line}`);
  });
  const broken = service.broken.then((name): never => {
    throw new Error([`${name} ended by itself`, ...log.slice(-20)].join('\n'));
  });
  return {
    url: service.url,
    simulatorUrl: service.stack.simulatorUrl,
    broken,
    stop: () => service.stop(),
    isOurs: true,
  };
}

function never(): Promise<never> {
  return Promise.withResolvers<never>().promise;
}
