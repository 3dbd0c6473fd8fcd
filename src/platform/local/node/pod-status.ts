// What the node says of a pod, as Kubernetes' PodStatus: pure, from the states the worker keeps.

export type ContainerPhase =
  | { readonly kind: "waiting"; readonly reason: string; readonly message: string }
  | { readonly kind: "running"; readonly startedAt: string }
  | { readonly kind: "terminated"; readonly exitCode: number; readonly reason: string; readonly finishedAt: string };

export interface ContainerState {
  readonly name: string;
  readonly image: string;
  readonly phase: ContainerPhase;
  readonly lastExitCode: number | undefined;
  readonly restarts: number;
  readonly started: boolean;
  readonly ready: boolean;
}

export interface PodState {
  readonly ip: string;
  readonly startTime: string;
  readonly containers: readonly ContainerState[];
  readonly initContainers: readonly ContainerState[];
  /** Undefined for a pod without sidecar. */
  readonly sidecarReady: boolean | undefined;
  /** Set when the pod as a whole has ended and will not come back. */
  readonly ended: { readonly failed: boolean; readonly reason: string; readonly message: string } | undefined;
  readonly terminating: boolean;
}

export interface PodCondition {
  readonly type: string;
  readonly status: "True" | "False";
  readonly reason?: string;
  readonly message?: string;
  readonly lastTransitionTime: string;
}

/** A container that has not been started yet. */
export function waitingState(name: string, image: string): ContainerState {
  const phase = { kind: "waiting", reason: "ContainerCreating", message: "" } as const;
  return { name, image, phase, lastExitCode: undefined, restarts: 0, started: false, ready: false };
}

/** The status to write; `previous` conditions keep their transition time, and those of other writers stay. */
export function podStatusOf(state: PodState, previous: readonly PodCondition[], now: string): Readonly<Record<string, unknown>> {
  const initialized = state.initContainers.every((container) => container.phase.kind === "terminated" && container.phase.exitCode === 0);
  const containersReady = state.containers.every((container) => container.ready) && state.sidecarReady !== false;
  const ready = containersReady && state.ended === undefined && !state.terminating;
  const why = ready ? undefined : notReadyReason(state);
  const own: readonly Omit<PodCondition, "lastTransitionTime">[] = [
    { type: "PodScheduled", status: "True" },
    { type: "Initialized", status: initialized ? "True" : "False" },
    { type: "ContainersReady", status: containersReady ? "True" : "False", ...why },
    { type: "Ready", status: ready ? "True" : "False", ...why },
  ];
  const others = previous.filter((condition) => !own.some((mine) => mine.type === condition.type));
  const conditions = own.map((condition) => {
    const before = previous.find((candidate) => candidate.type === condition.type);
    return { ...condition, lastTransitionTime: before?.status === condition.status ? before.lastTransitionTime : now };
  });
  return {
    phase: podPhaseOf(state),
    conditions: [...conditions, ...others],
    podIP: state.ip,
    podIPs: state.ip === "" ? [] : [{ ip: state.ip }],
    hostIP: "198.18.0.1",
    startTime: state.startTime,
    containerStatuses: state.containers.map(containerStatusOf),
    initContainerStatuses: state.initContainers.map(containerStatusOf),
    ...(state.ended === undefined ? {} : { reason: state.ended.reason, message: state.ended.message }),
  };
}

function podPhaseOf(state: PodState): "Pending" | "Running" | "Succeeded" | "Failed" {
  if (state.ended !== undefined) return state.ended.failed ? "Failed" : "Succeeded";
  const begun = state.containers.some((container) => container.phase.kind === "running" || container.restarts > 0);
  return begun || (state.containers.length === 0 && state.sidecarReady === true) ? "Running" : "Pending";
}

function notReadyReason(state: PodState): { readonly reason: string; readonly message: string } {
  if (state.ended !== undefined) return { reason: state.ended.reason, message: state.ended.message };
  if (state.terminating) return { reason: "Terminating", message: "the pod is ending" };
  // What needs somebody's hand goes before what comes by itself.
  const waiting = state.containers.find(({ phase }) => phase.kind === "waiting" && phase.message !== "");
  if (waiting?.phase.kind === "waiting") return { reason: waiting.phase.reason, message: waiting.phase.message };
  if (state.sidecarReady === false) return { reason: "ProxyNotReady", message: "the pod's Envoy has not received its configuration yet" };
  const names = state.containers.filter((container) => !container.ready).map(nameWithExit);
  return { reason: "ContainersNotReady", message: `containers not ready: ${names.join(", ")}` };
}

/** A container that ended before and is not ready again may be about to end again: its last exit code tells more than its name. */
function nameWithExit({ name, lastExitCode }: ContainerState): string {
  return lastExitCode === undefined ? name : `${name} (last exit code ${lastExitCode})`;
}

function containerStatusOf(container: ContainerState): Readonly<Record<string, unknown>> {
  const { phase } = container;
  return {
    name: container.name,
    image: container.image,
    imageID: "",
    ready: container.ready,
    started: container.started,
    restartCount: container.restarts,
    state: stateOf(phase),
    lastState: container.lastExitCode === undefined ? {} : { terminated: { exitCode: container.lastExitCode } },
  };
}

function stateOf(phase: ContainerPhase): Readonly<Record<string, unknown>> {
  if (phase.kind === "waiting") return { waiting: { reason: phase.reason, message: phase.message } };
  if (phase.kind === "running") return { running: { startedAt: phase.startedAt } };
  return { terminated: { exitCode: phase.exitCode, reason: phase.reason, finishedAt: phase.finishedAt } };
}

/** Kubernetes' CrashLoopBackOff, shorter for a laptop: at once, then 0.5 s doubled each time up to 30 s. */
export function restartDelayMs(restarts: number): number {
  return restarts === 0 ? 0 : Math.min(30_000, 500 * 2 ** (restarts - 1));
}
