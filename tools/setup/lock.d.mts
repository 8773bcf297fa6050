export type LockFile = {
  readonly packages: Readonly<
    Record<string, { readonly dev?: boolean; readonly optionalDependencies?: Readonly<Record<string, string>> }>
  >;
};
export function missingOptional(lock: LockFile): { path: string; version: string; dev: boolean }[];
