/** How the links of others answer to this host at this moment. */
export interface Links {
  /** Those of the addresses that answer anything at all; a connection that is refused is an answer. Ends within 3 s. */
  answering(addresses: readonly string[], done: (found: readonly string[]) => void): void;
}
