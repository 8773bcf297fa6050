/** What a command may touch of its process. */
export type Io = {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  /** True where a person watches: progress is then one line that changes. */
  readonly tty: boolean;
  readonly env: { readonly HOLDFAST_SOCKET?: string | undefined; readonly HOLDFAST_LAB?: string | undefined };
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly stop: AbortSignal;
};
