// When to probe next and what the results mean: the state machine of Kubernetes' startup, readiness and liveness probes. Pure.
// One deviation: until its first success a probe is tried at short intervals, so that starting isn't quantised to whole seconds.

/** Field names and defaults of Kubernetes' Probe (core/v1). */
export interface ProbeSettings {
  readonly kind: "startup" | "readiness" | "liveness";
  /** Default 0. */
  readonly initialDelaySeconds?: number;
  /** Default 10. */
  readonly periodSeconds?: number;
  /** Default 1. */
  readonly timeoutSeconds?: number;
  /** Default 1; must be 1 for startup and liveness. */
  readonly successThreshold?: number;
  /** Default 3. */
  readonly failureThreshold?: number;
}

export interface ProbeState {
  /** `unknown` until a threshold is reached for the first time. */
  readonly verdict: "unknown" | "success" | "failure";
  readonly successes: number;
  readonly failures: number;
  /** Milliseconds since the container started at which the period in which failures count began. */
  readonly countedAtMs: number;
}

export interface ProbeObservation {
  readonly success: boolean;
  /** Milliseconds since the container started. */
  readonly atMs: number;
}

/** `nextInMs` undefined: never again. `restart`: the container must be restarted (startup and liveness). */
export interface ProbeDecision {
  readonly state: ProbeState;
  readonly nextInMs: number | undefined;
  readonly restart: boolean;
}

/** Interval of tries before the first success. */
export const eagerIntervalMs = 50;

const defaults = { periodSeconds: 10, timeoutSeconds: 1, successThreshold: 1, failureThreshold: 3 } as const;

const periodMsOf = (settings: ProbeSettings): number => (settings.periodSeconds ?? defaults.periodSeconds) * 1000;

/** Milliseconds one try may take. */
export function timeoutMsOf(settings: ProbeSettings): number {
  return (settings.timeoutSeconds ?? defaults.timeoutSeconds) * 1000;
}

/** State before the first try, and when that is. */
export function firstProbe(settings: ProbeSettings): ProbeDecision {
  const delayMs = (settings.initialDelaySeconds ?? 0) * 1000;
  // A readiness or startup success may come as soon as it is true; the initial delay only spares failures, liveness waits it out.
  const nextInMs = settings.kind === "liveness" ? delayMs : 0;
  return { state: { verdict: "unknown", successes: 0, failures: 0, countedAtMs: delayMs }, nextInMs, restart: false };
}

function afterSuccess(settings: ProbeSettings, state: ProbeState): ProbeDecision {
  const successes = state.successes + 1;
  const reached = successes >= (settings.successThreshold ?? defaults.successThreshold);
  const verdict = reached ? "success" : state.verdict;
  const over = reached && settings.kind === "startup";
  const nextInMs = over ? undefined : reached || state.verdict !== "unknown" ? periodMsOf(settings) : eagerIntervalMs;
  return { state: { ...state, verdict, successes, failures: 0 }, nextInMs, restart: false };
}

/** Eager failures count at most once a period, so that failureThreshold × periodSeconds keeps its meaning. */
function afterFailure(settings: ProbeSettings, state: ProbeState, atMs: number): ProbeDecision {
  const eager = state.verdict === "unknown";
  const counts = !eager || atMs >= state.countedAtMs;
  const failures = state.failures + (counts ? 1 : 0);
  const countedAtMs = counts ? atMs + periodMsOf(settings) : state.countedAtMs;
  const reached = counts && failures >= (settings.failureThreshold ?? defaults.failureThreshold);
  const restart = reached && settings.kind !== "readiness";
  // A container that never was ready goes on being tried eagerly: its verdict stays unknown, which is not ready either.
  const verdict = reached && (!eager || restart) ? "failure" : state.verdict;
  const nextInMs = restart ? undefined : eager ? Math.min(eagerIntervalMs, periodMsOf(settings)) : periodMsOf(settings);
  return { state: { verdict, successes: 0, failures, countedAtMs }, nextInMs, restart };
}

/** One result -> the new state, when to try next, and whether the container must be restarted. */
export function decideProbe(settings: ProbeSettings, state: ProbeState, observed: ProbeObservation): ProbeDecision {
  return observed.success ? afterSuccess(settings, state) : afterFailure(settings, state, observed.atMs);
}
