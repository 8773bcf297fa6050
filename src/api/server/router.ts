import { implement, ORPCError } from "@orpc/server";
import { policyChecks } from "../../core/policy-checks.ts";
import { findVm } from "../../core/requests/find.ts";
import { noRevision, type Revision, type TaskId } from "../../model/ids.ts";
import { messages } from "../../model/messages/index.ts";
import { type Refusal, refuse } from "../../model/reason.ts";
import type { ClusterView } from "../../model/view.ts";
import type { EventFilter } from "../../ports/journal.ts";
import type { Trouble } from "../contract/base.ts";
import { contract } from "../contract/index.ts";
import type { Answer } from "./ask.ts";
import { vmChanges } from "./change.ts";
import { clusterChanges } from "./change-cluster.ts";
import { groupChanges } from "./change-groups.ts";
import { ruleChanges } from "./change-rules.ts";
import { followEvents, followTask } from "./follow.ts";
import type { ApiOptions } from "./options.ts";
import { pointChanges, presentPoints, presentWish } from "./points.ts";
import { presentAdmission } from "./present-admission.ts";
import { presentChecks } from "./present-checks.ts";
import { presentDisarm, presentPolicy } from "./present-cluster.ts";
import { presentGroup, presentGroups } from "./present-groups.ts";
import { presentHostDetail, presentHosts, presentPools } from "./present-hosts.ts";
import { presentRule, presentRules } from "./present-rules.ts";
import { presentTask, presentTasks } from "./present-tasks.ts";
import { presentEvent, presentVmDetail, presentVms } from "./present-vms.ts";
import { hostRemovals } from "./remove-hosts.ts";
import { takeOver } from "./takeover.ts";
import type { Tracker } from "./tracker.ts";
import { whatIf } from "./whatif.ts";

/** The contract's two errors, as the client gets them. */
export function refused(data: Trouble): ORPCError<"REFUSED", Trouble> {
  return new ORPCError("REFUSED", { defined: true, status: 409, data });
}
export function unavailable(data: Trouble): ORPCError<"UNAVAILABLE", Trouble> {
  return new ORPCError("UNAVAILABLE", { defined: true, status: 503, data });
}

/** A reading, or the refusal as an error. */
function must<T extends object>(value: T | Refusal): Exclude<T, Refusal> {
  if ("kind" in value && value.kind === "refused") {
    const { code, params } = value as Refusal;
    throw refused({ code, params });
  }
  return value as Exclude<T, Refusal>;
}

function settle<T>(answer: Answer<T>): T {
  if (answer.kind === "ok") return answer.value;
  const data = { code: answer.code, params: answer.params };
  throw answer.kind === "refused" ? refused(data) : unavailable(data);
}

export type ApiRouter = ReturnType<typeof createRouter>;

/** A view that was never read is not an empty cluster. */
function readView(options: ApiOptions): ClusterView {
  const view = options.view();
  if (view.revision === noRevision) throw unavailable({ code: "store-never-read", params: { host: options.self } });
  return view;
}

export function createRouter(options: ApiOptions, tracker: Tracker) {
  const api = implement(contract);
  const change = vmChanges(options, tracker);
  const cluster = clusterChanges(options, tracker.contact);
  const removals = hostRemovals(options, tracker);
  const ruleChange = ruleChanges(options, tracker.contact);
  const view = () => readView(options);
  const asOf = <T extends object>(rest: T) => ({ asOfMs: tracker.asOfMs(), ...rest });
  return api.router({
    cluster: {
      status: api.cluster.status.handler(() => presentStatus(options, view(), tracker)),
      disarm: api.cluster.disarm.handler(async ({ input }) => settle(await cluster.disarm(input))),
      takeover: api.cluster.takeover.handler(async ({ input }) => settle(await takeOver(options, input))),
      arm: api.cluster.arm.handler(async ({ input }) => settle(await cluster.arm(input))),
    },
    host: {
      list: api.host.list.handler(() => asOf({ hosts: presentHosts(view(), tracker) })),
      show: api.host.show.handler(({ input }) => asOf({ host: must(presentHostDetail(view(), input.host, tracker)) })),
      maintenance: api.host.maintenance.handler(async ({ input }) => settle(await cluster.maintenance(input))),
      shutdown: api.host.shutdown.handler(async ({ input }) => settle(await cluster.shutdown(input))),
      reboot: api.host.reboot.handler(async ({ input }) => settle(await cluster.reboot(input))),
      release: api.host.release.handler(async ({ input }) => settle(await cluster.release(input))),
      removal: api.host.removal.handler(({ input }) => readView(options) && asOf(removals.plan(input))),
      remove: api.host.remove.handler(async ({ input }) => settle(await removals.remove(input))),
      join: api.host.join.handler(async ({ input }) => settle(await removals.join(input))),
    },
    policy: {
      show: api.policy.show.handler(() => asOf({ policy: presentPolicy(view()), warnings: policyChecks(view()) })),
      set: api.policy.set.handler(async ({ input }) => settle(await cluster.setPolicy(input))),
    },
    vm: {
      create: api.vm.create.handler(async ({ input }) => settle(await change.create(input))),
      list: api.vm.list.handler(() => asOf({ vms: presentVms(view(), tracker) })),
      show: api.vm.show.handler(({ input }) => asOf({ vm: must(presentVmDetail(view(), input.vm, tracker)) })),
      start: api.vm.start.handler(async ({ input }) => settle(await change.start(input))),
      stop: api.vm.stop.handler(async ({ input }) => settle(await change.stop(input))),
      migrate: api.vm.migrate.handler(async ({ input }) => settle(await change.migrate(input))),
      relocate: api.vm.relocate.handler(async ({ input }) => settle(await change.relocate(input))),
      cancelMove: api.vm.cancelMove.handler(async ({ input }) => settle(await change.cancelMove(input))),
      reset: api.vm.reset.handler(async ({ input }) => settle(await change.reset(input))),
      delete: api.vm.delete.handler(async ({ input }) => settle(await change.delete(input))),
      set: api.vm.set.handler(async ({ input }) => settle(await change.set(input))),
      explain: api.vm.explain.handler(({ input }) => asOf(must(explain(options, view(), tracker, input)))),
    },
    pool: {
      list: api.pool.list.handler(() => asOf({ pools: presentPools(view()) })),
      set: api.pool.set.handler(async ({ input }) => settle(await cluster.setPool(input))),
    },
    rule: {
      add: api.rule.add.handler(async ({ input }) => settle(await ruleChange.add(input))),
      list: api.rule.list.handler(({ input }) => asOf({ rules: must(presentRules(view(), input.vm)) })),
      show: api.rule.show.handler(({ input }) => asOf({ rule: must(presentRule(view(), input.rule)) })),
      set: api.rule.set.handler(async ({ input }) => settle(await ruleChange.set(input))),
      remove: api.rule.remove.handler(async ({ input }) => settle(await ruleChange.remove(input))),
    },
    group: groupRouter(options, tracker, view),
    point: pointRouter(options, tracker, view),
    event: {
      list: api.event.list.handler(({ input }) => ({
        events: options.journal.read(must(filterOf(options.view(), input))).map(presentEvent),
      })),
      follow: api.event.follow.handler(({ input, signal }) =>
        followEvents(options, must(filterOf(options.view(), input)), signal),
      ),
    },
    whatif: whatifRouter(options, tracker, view),
    task: taskRouter(options, tracker, view),
  });
}

function taskRouter(options: ApiOptions, tracker: Tracker, view: () => ClusterView) {
  const api = implement(contract.task);
  return api.router({
    list: api.list.handler(() => ({ asOfMs: tracker.asOfMs(), tasks: presentTasks(view(), tracker) })),
    show: api.show.handler(({ input }) => must(showTask(view(), tracker, input.task))),
    follow: api.follow.handler(({ input, signal }) =>
      followTask(options, tracker, must(findTask(view(), input.task)).id, signal),
    ),
  });
}

function groupRouter(options: ApiOptions, tracker: Tracker, view: () => ClusterView) {
  const api = implement(contract.group);
  const change = groupChanges(options, tracker, tracker.contact);
  const asOfMs = () => tracker.asOfMs();
  return api.router({
    create: api.create.handler(async ({ input }) => settle(await change.create(input))),
    list: api.list.handler(() => ({ asOfMs: asOfMs(), groups: presentGroups(view(), tracker) })),
    show: api.show.handler(({ input }) => ({
      asOfMs: asOfMs(),
      group: must(presentGroup(view(), input.group, tracker)),
    })),
    set: api.set.handler(async ({ input }) => settle(await change.set(input))),
    pause: api.pause.handler(async ({ input }) => settle(await change.pause(input))),
    resume: api.resume.handler(async ({ input }) => settle(await change.resume(input))),
    losses: api.losses.handler(({ input }) => settle(change.losses(input))),
    failover: api.failover.handler(async ({ input }) => settle(await change.failover(input))),
    switchover: api.switchover.handler(async ({ input }) => settle(await change.switchover(input))),
    delete: api.delete.handler(async ({ input }) => settle(await change.delete(input))),
  });
}

function pointRouter(options: ApiOptions, tracker: Tracker, view: () => ClusterView) {
  const api = implement(contract.point);
  const change = pointChanges(options);
  return api.router({
    list: api.list.handler(({ input }) => ({
      asOfMs: tracker.asOfMs(),
      points: must(presentPoints(view(), input.vm, tracker.wall())),
    })),
    take: api.take.handler(async ({ input }) => settle(await change.take(input))),
    drop: api.drop.handler(async ({ input }) => settle(await change.drop(input))),
    export: api.export.handler(async ({ input }) => settle(await change.export(input))),
    test: api.test.handler(async ({ input }) => settle(await change.test(input))),
    wish: api.wish.handler(({ input }) => must(presentWish(view(), input.wish))),
  });
}

function whatifRouter(options: ApiOptions, tracker: Tracker, view: () => ClusterView) {
  const api = implement(contract.whatif);
  const foresee = whatIf(options, tracker);
  return api.router({
    hostLoss: api.hostLoss.handler(({ input }) => must(foresee.hostLoss(view(), input.host))),
    linkLoss: api.linkLoss.handler(({ input }) => must(foresee.linkLoss(view(), input.link))),
    maintenance: api.maintenance.handler(async ({ input }) => must(await foresee.maintenance(view(), input.host))),
  });
}

function presentStatus(options: ApiOptions, view: ClusterView, tracker: Tracker) {
  const cluster = view.cluster?.value;
  const term = view.term?.value;
  return {
    asOfMs: tracker.asOfMs(),
    cluster: cluster === undefined ? null : { id: cluster.id, name: cluster.name },
    answeredBy: options.self,
    version: options.version,
    manager: term === undefined ? null : { host: term.host, term: term.term },
    disarm: presentDisarm(view),
    hosts: presentHosts(view, tracker),
    vms: presentVms(view, tracker),
    tasks: presentTasks(view, tracker),
    networks: [...view.networks.values()].map(({ value }) => ({ id: value.id, name: value.name })),
    admission: presentAdmission(view, tracker),
    checks: presentChecks(view, tracker, options.self),
  };
}

/** How far back the decisions about one VM are looked for. */
const explainDepth = 1_000;

function explain(
  options: ApiOptions,
  view: ClusterView,
  tracker: Tracker,
  input: { readonly vm: string; readonly limit: number },
) {
  const vm = presentVmDetail(view, input.vm, tracker);
  if ("kind" in vm) return vm;
  const decisions = options.journal
    .read({ vm: vm.id, limit: explainDepth })
    .filter(({ event }) => event.reason !== null || needsAttention(event.type))
    .slice(-input.limit);
  return { vm, decisions: decisions.map(presentEvent) };
}

/** It has an effect and a remedy: somebody may have to do something. */
function needsAttention(type: string): boolean {
  return typeof messages.get(type) === "object";
}

function showTask(view: ClusterView, tracker: Tracker, id: string) {
  const task = view.tasks.get(id as TaskId)?.value;
  if (task !== undefined) return presentTask(view, tracker, task);
  return presentTasks(view, tracker).find((one) => one.id === id) ?? refuse("task-unknown", { task: id });
}

function findTask(view: ClusterView, id: string) {
  return view.tasks.get(id as TaskId)?.value ?? refuse("task-unknown", { task: id });
}

type WantedEvents = {
  readonly vm?: string | undefined;
  readonly host?: string | undefined;
  readonly type?: string | undefined;
  readonly after?: number | undefined;
  readonly limit: number;
};

/** Names become ids; an id of something that is gone still finds its history. */
function filterOf(view: ClusterView, wanted: WantedEvents): EventFilter | Refusal {
  const vm = wanted.vm === undefined || wanted.vm.startsWith("vm:") ? wanted.vm : findVm(view, wanted.vm);
  if (typeof vm === "object" && vm.kind === "refused") return vm;
  const member = [...view.members.values()].find(({ value }) => [value.name, value.id].includes(wanted.host ?? ""));
  if (wanted.host !== undefined && member === undefined && view.members.size > 0) {
    const known = [...view.members.values()].map(({ value }) => value.name).sort();
    return refuse("host-unknown", { host: wanted.host, known: known.join(", ") });
  }
  const host = member?.value.id;
  return {
    vm: typeof vm === "object" ? vm.stored.value.id : vm,
    host,
    type: wanted.type,
    after: wanted.after as Revision | undefined,
    limit: wanted.limit,
  };
}
