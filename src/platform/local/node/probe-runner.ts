// Runs one probe over and over as decideProbe says, and tells when its verdict changes.

import type { Probe } from "../../../api/kubernetes/pod.ts";
import { decideProbe, firstProbe, type ProbeSettings, type ProbeState, timeoutMsOf } from "../probe-decision.ts";
import type { ProbeResult } from "../sandbox.ts";

export interface ProbeRun {
  readonly kind: ProbeSettings["kind"];
  readonly probe: Probe;
  readonly check: (timeoutMs: number) => Promise<ProbeResult>;
  /** Called whenever the verdict changes; `restart` asks for the container's restart. */
  readonly onVerdict: (healthy: boolean, restart: boolean) => void;
}

export interface RunningProbe {
  stop(): void;
}

/** Starts probing now; the container is taken to have started at this moment. */
export function startProbe({ kind, probe, check, onVerdict }: ProbeRun): RunningProbe {
  const settings: ProbeSettings = { ...probe, kind };
  const startedAt = performance.now();
  const first = firstProbe(settings);
  let state: ProbeState = first.state;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const turn = async () => {
    const result = await check(timeoutMsOf(settings)).catch((error: unknown) => ({ success: false, reason: String(error) }));
    if (stopped) return;
    const decision = decideProbe(settings, state, { success: result.success, atMs: performance.now() - startedAt });
    const changed = decision.state.verdict !== state.verdict;
    state = decision.state;
    if (decision.nextInMs !== undefined) timer = setTimeout(() => void turn(), decision.nextInMs);
    if (changed || decision.restart) onVerdict(state.verdict === "success", decision.restart);
  };

  if (first.nextInMs !== undefined) timer = setTimeout(() => void turn(), first.nextInMs);
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
