// For tests: a storage whose puts wait until they are let go.
import type { MarkedStore } from '@darkroom/shared/images/marked-store.ts';

/** `held` resolves when the first put waits. */
export function holdPuts(store: MarkedStore): { store: MarkedStore; held: Promise<void>; letGo: () => void } {
  const held = Promise.withResolvers<void>();
  const free = Promise.withResolvers<void>();
  const holding = new Proxy(store, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== 'function') return member;
      if (typeof name !== 'string' || !name.startsWith('put')) return member.bind(target);
      return async (...args: unknown[]) => {
        held.resolve();
        await free.promise;
        return await member.apply(target, args);
      };
    },
  });
  return { store: holding, held: held.promise, letGo: free.resolve };
}
