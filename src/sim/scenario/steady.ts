import { hashText, type SeededRandom } from "../../base/random.ts";

/**
 * No dice: every draw lies in the middle, a list's first element is taken, and what is not more likely than not does not
 * happen. So a story's delays are fixed, and a draw more or less anywhere moves no line of it.
 */
export function steadyRandom(subject = "steady"): SeededRandom {
  let names = 0;
  return {
    below: (limit) => Math.floor(limit / 2),
    chance: (probability) => probability > 0.5,
    pick: (list) => {
      const [first] = list;
      if (first === undefined) throw new RangeError("Cannot pick from a list: it is empty");
      return first;
    },
    // Names must differ: they are nonces and numbers of chains.
    hex: (length) => {
      names += 1;
      let text = "";
      for (let i = 0; text.length < length; i++) text += hashText(`${subject} ${names} ${i}`).toString(16);
      return text.slice(0, length);
    },
    for: (inner) => steadyRandom(`${subject}/${inner}`),
  };
}
