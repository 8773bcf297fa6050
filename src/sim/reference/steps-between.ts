/** A service as it was last shown. */
export type Shown = { readonly state: string; readonly node: string | null; readonly target: string | null };

export type Circumstances = {
  /** How a service of its type is moved. */
  readonly moveKind: "migrate" | "relocate";
  /** Its host was lost, and nothing was shown of that yet. */
  readonly lost: boolean;
  /** A service that is started goes to the best host first. */
  readonly rebalancesOnStart: boolean;
};

const moving = ["migrate", "relocate", "request_start_balance"];
const losing = ["fence", "recovery"];
const settled = ["started", "stopped", "request_stop", "request_start"];

/**
 * What is shown between two looks at a service. One transaction here does what others do in several rounds (a place
 * changes together with the start, a fence together with its proof): the steps between are said as such.
 */
export function stepsBetween(before: Shown | undefined, after: Shown, circumstances: Circumstances): Shown[] {
  if (before === undefined) return firstSteps(after);
  const sameMove = before.target === after.target || !moving.includes(after.state);
  if (before.state === after.state && before.node === after.node && sameMove) return [];
  // Between a start that failed and the next one it is still to run.
  if (before.state === "started" && after.state === "request_start" && before.node === after.node) return [];
  if (losing.includes(after.state)) return lossSteps(before, after);
  if (losing.includes(before.state) && before.node !== after.node) {
    const recovery: Shown = { state: "recovery", node: before.node, target: null };
    return before.state === "fence" ? [recovery, after] : [after];
  }
  // It counts as started where it lies, and then has to leave.
  if (before.state === "request_start" && (after.state === "migrate" || after.state === "relocate"))
    return [{ state: "started", node: before.node, target: null }, after];
  if (settled.includes(after.state) && before.node !== after.node && !moving.includes(before.state))
    return placeSteps(before, after, circumstances);
  if (before.state === after.state && !moving.includes(after.state)) return [];
  return [after];
}

function firstSteps(after: Shown): Shown[] {
  const request = after.state === "started" ? "request_start" : after.state === "stopped" ? "request_stop" : undefined;
  return request === undefined ? [after] : [{ ...after, state: request, target: null }, after];
}

/** A host that proved its own end, or whose proof came with the fence. */
function lossSteps(before: Shown, after: Shown): Shown[] {
  if (after.state === "fence" || before.state === "fence") return [after];
  return [{ state: "fence", node: before.node, target: null }, after];
}

/** The place of a service that did not run at that moment has changed. */
function placeSteps(before: Shown, after: Shown, { moveKind, lost, rebalancesOnStart }: Circumstances): Shown[] {
  if (lost) return [...lossSteps(before, { state: "recovery", node: before.node, target: null }), after];
  if (before.state === "request_stop") return [after];
  const starting = before.state === "request_start";
  const balanced = starting && rebalancesOnStart;
  const move: Shown = {
    state: balanced ? "request_start_balance" : moveKind,
    node: before.node,
    target: after.node,
  };
  const here: Shown[] = starting && !balanced ? [{ state: "started", node: before.node, target: null }] : [];
  return [...here, move, after];
}
