// Reads what a process says to Redis and what it is answered, and asks the watch before each command and each answer.
import type { Flow } from './flow.ts';
import type { RedisPoint, Watch } from './points.ts';
import { isPush, RespReader, wordsOf } from './resp.ts';
import type { Scripts } from './scripts.ts';
import type { Inspect } from './tcp-proxy.ts';

type Asked = Omit<RedisPoint, 'kind' | 'raw'>;

const MESSAGES: ReadonlySet<string> = new Set(['SUBSCRIBE', 'PSUBSCRIBE', 'MONITOR']);

export function inspectRedis(process: string, scripts: Scripts, watch: Watch): Inspect {
  return (toServer, toClient) => {
    const [commands, answers] = [new RespReader(), new RespReader()];
    const asked: Asked[] = [];
    let isSubscribed = false;
    const takeCommand = (frame: Buffer): void => {
      const words = wordsOf(frame);
      const point = toAsked(process, words, scripts);
      if (MESSAGES.has(point.command)) isSubscribed = true;
      asked.push(point);
      askBefore(toServer, watch, { ...point, kind: 'command', raw: '' });
      toServer.write(frame);
    };
    const takeAnswer = (frame: Buffer): void => {
      const point = isPush(frame) ? undefined : asked.shift();
      // An unknown script was not run: the client sends it whole.
      if (point !== undefined && !frame.subarray(0, 10).includes('NOSCRIPT'))
        askBefore(toClient, watch, toAnswer(point, frame));
      toClient.write(frame);
    };
    return {
      get isBusy() {
        return asked.length > 0;
      },
      fromClient(chunk) {
        if (isSubscribed) return toServer.write(chunk);
        for (const frame of commands.feed(chunk)) takeCommand(frame);
        // Answers to a subscription come in another shape, so from here on nothing is read.
        if (isSubscribed) toServer.write(commands.takeRest());
      },
      fromServer(chunk) {
        if (!isSubscribed) for (const frame of answers.feed(chunk)) takeAnswer(frame);
        else for (const bytes of [answers.takeRest(), chunk]) toClient.write(bytes);
      },
    };
  };
}

function toAsked(process: string, words: readonly string[], scripts: Scripts): Asked {
  const command = (words[0] ?? '').toUpperCase();
  const isScript = command === 'EVAL' || command === 'EVALSHA';
  return {
    link: 'redis',
    process,
    command,
    step: scripts.nameOf(words),
    args: words.slice(isScript ? 3 : 1),
  };
}

/** As text only for who asks: most answers are of no interest. */
function toAnswer(asked: Asked, frame: Buffer): RedisPoint {
  return {
    ...asked,
    kind: 'answer',
    get raw() {
      return frame.toString('latin1');
    },
  };
}

/** What comes after held bytes is not looked at: it is not on its way. */
function askBefore(flow: Flow, watch: Watch, point: RedisPoint): void {
  if (!flow.isHeld && watch(point)) flow.hold();
}
