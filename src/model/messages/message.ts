/**
 * What a person is told about a refusal, a check or a failure. `{name}` is filled from the parameters, `{count VM|VMs}` with the word that fits; of
 * `[more? …]` nothing is told where that parameter is 0, or missing.
 */
export type Trouble = { readonly cause: string; readonly effect: string; readonly remedy: string };

/** A sentence for what happened or why it was decided; or the three parts for what needs somebody's attention. */
export type Message = string | Trouble;
export type Catalogue = Readonly<Record<string, Message>>;
