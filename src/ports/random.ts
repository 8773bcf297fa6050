export interface Random {
  /** `length` hexadecimal digits nobody can guess. */
  hex(length: number): string;
  /** A whole number in [0, limit). */
  below(limit: number): number;
}
