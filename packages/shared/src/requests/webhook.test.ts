import { describe, expect, test } from 'vitest';
import { parseAllowPrivate, urlProblem } from '../net/address.ts';
import { checkEnvelope, readEnvelope } from './envelope.ts';
import {
  BATCH_EVENTS,
  checkWebhook,
  JOB_EVENTS,
  readWebhook,
  TERMINAL_JOB_EVENTS,
  toWebhookMark,
  type WebhookRules,
} from './webhook.ts';

const policy = { allowPrivate: parseAllowPrivate('10.1.0.0/16'), trustedHosts: [] };
const rules: WebhookRules = { urlProblem: (url) => urlProblem(policy, url), secretProblem: null };
const url = 'https://example.com/hooks';

const problemsOf = (webhook: unknown, given = rules): (string | null)[][] =>
  checkWebhook(webhook, JOB_EVENTS, given).map(({ code, param }) => [code, param]);

describe('a webhook', () => {
  test.each([
    [{ url }],
    [{ url: 'http://example.com:8080/a?b=c#d' }],
    [{ url: 'http://10.1.2.3/' }],
    [{ url: 'https://[2606:4700::1111]/' }],
    [{ url, events: ['job.completed'] }],
    [{ url, events: ['image.completed', 'job.failed', 'job.failed'] }],
    [{ url: `https://example.com/${'x'.repeat(2_028)}` }],
  ])('is fine as %.90j', (webhook) => {
    expect(problemsOf(webhook)).toEqual([]);
  });

  test.each([
    ['https://example.com', [['invalid_type', 'webhook']]],
    [[], [['invalid_type', 'webhook']]],
    [{}, [['missing_required_parameter', 'webhook.url']]],
    [{ url: 7 }, [['invalid_type', 'webhook.url']]],
    [{ url: '' }, [['string_below_min_length', 'webhook.url']]],
    [{ url: `https://example.com/${'x'.repeat(2_029)}` }, [['string_above_max_length', 'webhook.url']]],
    [{ url, evnts: [] }, [['unknown_parameter', 'webhook.evnts']]],
    [{ url, events: 'job.completed' }, [['invalid_type', 'webhook.events']]],
    [{ url, events: [] }, [['invalid_value', 'webhook.events']]],
    [{ url, events: Array(7).fill('job.failed') }, [['invalid_value', 'webhook.events']]],
    [{ url, events: ['job.failed', 'job.complete'] }, [['invalid_value', 'webhook.events[1]']]],
    [{ url, events: [null] }, [['invalid_type', 'webhook.events[0]']]],
    [{ url, events: ['job.queued'] }, [['invalid_value', 'webhook.events[0]']]],
    [{ url, events: ['batch.completed'] }, [['invalid_value', 'webhook.events[0]']]],
    [
      { url: 'ftp://example.com', events: ['x'] },
      [
        ['invalid_value', 'webhook.url'],
        ['invalid_value', 'webhook.events[0]'],
      ],
    ],
  ])('%.90j is refused', (webhook, problems) => {
    expect(problemsOf(webhook)).toEqual(problems);
  });

  test.each([
    'not a url',
    '/hooks',
    'ftp://example.com/',
    'javascript:alert(1)',
    'file:///etc/passwd',
    'http://user:pass@example.com/',
    'http://localhost/',
    'http://LOCALHOST.:3000/',
    'http://a.localhost/',
    'http://127.0.0.1/',
    'http://2130706433/',
    'http://0x7f.1/',
    'http://0177.0.0.1/',
    'http://10.0.0.1/',
    'http://169.254.169.254/latest/meta-data/',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[64:ff9b::7f00:1]/',
    'http://[fe80::1]/',
    'http://metadata.google.internal/',
  ])('does not lead to %s', (forbidden) => {
    expect(problemsOf({ url: forbidden })).toEqual([['invalid_value', 'webhook.url']]);
  });

  test('names the nearest event', () => {
    const [problem] = checkWebhook({ url, events: ['job.complete'] }, JOB_EVENTS, rules);
    expect(problem?.message).toContain("Did you mean 'job.completed'?");
  });

  test('is refused when nobody could sign it', () => {
    const secretProblem = 'Webhooks need a secret to be signed with: set WEBHOOK_SECRET.';
    const [problem] = checkWebhook({ url }, JOB_EVENTS, { ...rules, secretProblem });
    expect(problem).toMatchObject({ code: 'invalid_value', param: 'webhook', message: secretProblem });
  });

  test('hears of every end when it names no event, and of each event once', () => {
    expect(readWebhook({ url }, TERMINAL_JOB_EVENTS)).toEqual({ url, events: TERMINAL_JOB_EVENTS });
    expect(readWebhook({ url, events: ['job.failed', 'job.failed'] }, TERMINAL_JOB_EVENTS)?.events).toEqual([
      'job.failed',
    ]);
    expect(readWebhook(undefined, TERMINAL_JOB_EVENTS)).toBeNull();
    expect(readEnvelope({ webhook: { url } }).webhook?.events).toEqual(TERMINAL_JOB_EVENTS);
  });

  test('is kept for the steps as its events and its host', () => {
    expect(toWebhookMark({ url: 'http://EXAMPLE.com:8080/x', events: ['job.failed', 'job.expired'] })).toBe(
      ',job.failed,job.expired,example.com:8080',
    );
    expect(toWebhookMark(null)).toBe('');
  });

  test('of a batch hears of the batch alone', () => {
    expect(checkWebhook({ url, events: ['batch.failed'] }, BATCH_EVENTS, rules)).toEqual([]);
    expect(checkWebhook({ url, events: ['job.failed'] }, BATCH_EVENTS, rules)).toHaveLength(1);
  });

  test('is refused, not ignored, where there are no rules for it', () => {
    expect(checkEnvelope({ webhook: { url } }).map(({ code }) => code)).toEqual(['unsupported_parameter']);
    expect(checkEnvelope({ webhook: { url } }, rules)).toEqual([]);
  });
});
