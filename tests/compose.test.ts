// docker-compose.yml, Dockerfile and the declared variables agree. Read as text: no Docker engine is needed.
import { existsSync, readFileSync } from 'node:fs';
import { apiVariables, readConfig as readApiConfig } from '@darkroom/api/config.ts';
import { readVariables, type Variables } from '@darkroom/shared/base/config.ts';
import { workerVariables } from '@darkroom/worker/config.ts';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { interpolate } from './support-compose/interpolate.ts';

interface ComposeService {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly stop_grace_period?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly volumes?: readonly string[];
  readonly profiles?: readonly string[];
  readonly deploy?: { readonly replicas: number };
}

const root = new URL('../', import.meta.url);
const composeText = readFileSync(new URL('docker-compose.yml', root), 'utf8');
const dockerfile = readFileSync(new URL('Dockerfile', root), 'utf8');
const raw = parse(composeText, { merge: true }) as { services: Record<string, ComposeService>; volumes: object };

const SECRETS = { API_KEYS: 'me:dk_0123456789abcdef', S3_SECRET_ACCESS_KEY: 'a-long-random-text' };
const withKey = { ...SECRETS, OPENAI_API_KEY: 'sk-test' };
const simulated = { ...SECRETS, COMPOSE_PROFILES: 'simulator' };

function servicesIn(env: Readonly<Record<string, string>>): Record<string, ComposeService> {
  return interpolate(raw.services, env);
}

function service(name: string, env = withKey as Readonly<Record<string, string>>): ComposeService {
  const found = servicesIn(env)[name];
  if (found === undefined) throw new Error(`docker-compose.yml has no service ${name}`);
  return found;
}

/** A declared variable, or one the AWS SDK reads itself. */
function isKnown(name: string, variables: Variables): boolean {
  return name in variables || name.startsWith('AWS_');
}

describe.each([
  ['api', apiVariables],
  ['worker', workerVariables],
] as const)('the %s of docker-compose.yml', (name, variables: Variables) => {
  it('sets variables that exist, and every required one', () => {
    const set = Object.keys(service(name).environment ?? {});
    expect(set.filter((variable) => !isKnown(variable, variables))).toEqual([]);
    const required = Object.entries(variables).filter(([, declared]) => declared.requiredUnless !== null);
    expect(set).toEqual(expect.arrayContaining(required.map(([variable]) => variable)));
  });

  it.each([
    ['with a key', withKey],
    ['with the simulator', simulated],
  ])('starts %s: its configuration is valid', (_, env) => {
    const environment = service(name, env).environment ?? {};
    expect(() => readVariables(variables, environment)).not.toThrow();
  });

  it('waits for Redis and storage to be healthy', () => {
    const { redis, seaweedfs } = service(name).depends_on ?? {};
    expect([redis?.condition, seaweedfs?.condition]).toEqual(['service_healthy', 'service_healthy']);
  });

  it('listens where its health check and other containers ask', () => {
    expect(service(name).environment).toMatchObject({ HOST: '0.0.0.0', PORT: expect.stringMatching(/^\d+$/) });
  });
});

describe('docker-compose.yml', () => {
  it('gives the API what it needs beyond single variables: keys, as it listens on all addresses', () => {
    expect(() => readApiConfig(service('api').environment ?? {})).not.toThrow();
  });

  it.each(['API_KEYS', 'S3_SECRET_ACCESS_KEY', 'OPENAI_API_KEY'])('asks for %s by name when it is missing', (name) => {
    const { [name]: _, ...rest } = withKey as Record<string, string>;
    expect(() => servicesIn(rest)).toThrow(name === 'OPENAI_API_KEY' ? /Set OPENAI_API_KEY, or/ : `Set ${name}`);
  });

  it('holds no secret: every secret variable comes from outside', () => {
    const secrets = Object.entries({ ...apiVariables, ...workerVariables } as Variables)
      .filter(([name, { secret }]) => secret && name !== 'REDIS_URL')
      .map(([name]) => name);
    const written = Object.values(raw.services).flatMap(({ environment = {} }) =>
      Object.entries(environment).filter(
        ([name, value]) => [...secrets, 'AWS_SECRET_ACCESS_KEY'].includes(name) && !value.startsWith('${'),
      ),
    );
    expect(written).toEqual([]);
  });

  it('sends the upstream calls to the simulator under its profile, and to OpenAI otherwise', () => {
    expect(service('worker', simulated).environment?.['OPENAI_BASE_URL']).toBe('http://simulator:4000/v1');
    expect(service('worker').environment?.['OPENAI_BASE_URL']).toBe('');
    expect(service('simulator').profiles).toEqual(['simulator']);
  });

  it('gives a worker longer to stop than it takes', () => {
    const { SHUTDOWN_TIMEOUT_MS } = readVariables(workerVariables, service('worker').environment ?? {});
    const seconds = Number(/^(\d+)s$/.exec(service('worker').stop_grace_period ?? '')?.[1]);
    expect(seconds * 1_000).toBeGreaterThan(SHUTDOWN_TIMEOUT_MS);
  });

  it('keeps the spool of the workers in a volume that outlives them, and that they share', () => {
    const { environment = {}, volumes } = service('worker');
    expect(volumes).toEqual([`spool:${environment['SPOOL_DIR']}`]);
    expect(Object.keys(raw.volumes)).toContain('spool');
    expect(dockerfile).toMatch(/mkdir -p data\/spool && chown -R node:node data/);
  });

  it('runs two workers', () => {
    expect(service('worker').deploy?.replicas).toBe(2);
  });

  it('names a version of every image', () => {
    const images = Object.values(raw.services).map(({ image }) => image ?? '');
    expect(images.filter((image) => !/:(?!latest$)[\w.-]+$/.test(image))).toEqual([]);
  });

  it('keeps Redis durable and never lets it evict', () => {
    const { command, volumes } = service('redis');
    expect(command?.join(' ')).toContain('--appendonly yes --appendfsync everysec');
    expect(command?.join(' ')).toContain('--maxmemory-policy noeviction');
    expect(volumes).toEqual(['redis:/data']);
  });

  it('uses the bucket and the key the storage is made with', () => {
    const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, S3_BUCKET } = service('seaweedfs').environment ?? {};
    expect(service('worker').environment).toMatchObject({
      STORAGE_URL: `s3://${S3_BUCKET}`,
      AWS_ACCESS_KEY_ID,
      AWS_SECRET_ACCESS_KEY,
    });
  });

  it('checks the health of everything that is waited for', () => {
    const waitedFor = new Set(Object.values(raw.services).flatMap(({ depends_on = {} }) => Object.keys(depends_on)));
    expect([...waitedFor].filter((name) => raw.services[name]?.healthcheck === undefined)).toEqual([]);
  });

  it('starts files that are there', () => {
    const files = Object.values(raw.services).flatMap(({ command = [] }) =>
      command.filter((part) => part.endsWith('.ts')),
    );
    expect(files.length).toBeGreaterThan(1);
    expect(files.filter((file) => !existsSync(new URL(file, root)))).toEqual([]);
  });
});

describe('the Dockerfile', () => {
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.+) \S+$/gm)].flatMap(([, sources = '']) =>
    sources.split(' '),
  );

  it('copies paths that are there', () => {
    expect(copied.length).toBeGreaterThan(5);
    expect(copied.filter((path) => !existsSync(new URL(path, root)))).toEqual([]);
  });

  it('copies every package the processes import, manifest and sources', () => {
    const packages = ['apps/api', 'apps/worker', 'apps/audit', 'packages/shared', 'packages/simulator'];
    expect(copied).toEqual(expect.arrayContaining(packages.flatMap((path) => [`${path}/package.json`, `${path}/src`])));
  });

  it('starts node itself, as another user than root, so that it gets the signals', () => {
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile).toMatch(/^CMD \["node", "apps\/api\/src\/main\.ts"\]$/m);
  });

  it('runs on the Node the project runs on', () => {
    const versions = [...dockerfile.matchAll(/^FROM node:(\d+)/gm)].map(([, version]) => version);
    expect(new Set(versions)).toEqual(new Set([process.versions.node.split('.')[0]]));
  });
});
