import type { Ask } from "../faults/operator.ts";
import { removing, takingBack } from "../faults/removing.ts";
import type { PhraseArgs } from "./phrase-words.ts";

export function removeHost({ hosts: [host = ""] }: PhraseArgs): Ask {
  return removing(host);
}

export function takeBackHost({ hosts: [host = ""] }: PhraseArgs): Ask {
  return takingBack(host);
}
