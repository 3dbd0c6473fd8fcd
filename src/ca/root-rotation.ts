// Replacing the root without a failed handshake: everybody trusts both roots before anybody shows a certificate of the new one, and everybody
// shows one before the old root goes. A state machine: state and event in, state out. Pure; the shell acknowledges and stores.

/**
 * What the mesh is doing about its root. `step` counts the changes: an acknowledgement names the step it is for.
 * - steady: one root.
 * - distributing: both trusted, leaves still under the current one.
 * - reissuing: both trusted, new leaves under the next one.
 * - retiring: the next one alone is trusted and signs; the old one's key is gone.
 * - returning: a rotation was called off while leaves of the next root existed; both trusted, leaves under the current one again.
 */
export type RootRotation =
  | { readonly phase: "steady"; readonly step: number; readonly current: string }
  | {
      readonly phase: "distributing" | "reissuing" | "retiring" | "returning";
      readonly step: number;
      readonly current: string;
      readonly next: string;
    };

export type RotationEvent =
  /** A new root was made; `next` is its name. */
  | { readonly kind: "start"; readonly next: string }
  /** Every proxy confirmed what it got in this step: the bundle, and a leaf of the signing root. */
  | { readonly kind: "acknowledged"; readonly step: number }
  | { readonly kind: "abort" };

/** A mesh with one root. */
export function steadyRoot(current: string): RootRotation {
  return { phase: "steady", step: 0, current };
}

/** The state after an event; the same object when the event doesn't fit (a second start, a late or early acknowledgement, an abort too late). */
export function decideRootRotation(state: RootRotation, event: RotationEvent): RootRotation {
  const step = state.step + 1;
  if (state.phase === "steady") {
    const isNew = event.kind === "start" && event.next !== state.current;
    return isNew ? { phase: "distributing", step, current: state.current, next: event.next } : state;
  }
  if (event.kind === "start") return state;
  const { current, next } = state;
  if (event.kind === "abort") {
    // Nothing was signed by the next root yet: it can go at once.
    if (state.phase === "distributing") return { phase: "steady", step, current };
    return state.phase === "reissuing" ? { phase: "returning", step, current, next } : state;
  }
  if (event.step !== state.step) return state;
  if (state.phase === "distributing") return { phase: "reissuing", step, current, next };
  if (state.phase === "reissuing") return { phase: "retiring", step, current, next };
  return { phase: "steady", step, current: state.phase === "retiring" ? next : current };
}

/** The roots everybody is to trust in this state, the current one first. */
export function trustedRoots(state: RootRotation): readonly string[] {
  if (state.phase === "steady") return [state.current];
  return state.phase === "retiring" ? [state.next] : [state.current, state.next];
}

/** The root new leaves are to lead to. */
export function signingRoot(state: RootRotation): string {
  return state.phase === "reissuing" || state.phase === "retiring" ? state.next : state.current;
}
