/** T with every key named: an optional one may be undefined instead of missing. */
export type Named<T> = { [K in keyof T]-?: T[K] | (Pick<T, K> extends Required<Pick<T, K>> ? never : undefined) };

/** Drops the keys that are undefined. It takes every key of T, so the compiler finds the one that was forgotten. */
export function defined<T extends object>(fields: Named<T>): T {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;
}
