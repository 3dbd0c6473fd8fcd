// A TCP connection as a trial of the server that was chosen for it, for whoever judges versions: counted once it is decided. In: what the proxies of both ends log
// of it. Out: tried and failed connections by series, each under its caller.
//
// Good: it ended without the server's fault, or lived for a report's interval. Failed: it couldn't be made, or the server reset it. A client's reset is no
// fault, and what nobody saw the end of is no trial. A reset of a connection that had counted as good is one more trial, failed. What the client's proxy can't
// see is that the proxy before the server couldn't reach the application: the client's own connection was made, and ends well without a byte. Such ends
// wait a moment for what the other proxy says of the same pair of addresses.

import type { Labels } from "./point.ts";
import { connectionsFailed, connectionsTried, templateTag } from "./proxy-reports.ts";

/** What a record says for a trial, beside the tags. */
export interface TrialFacts {
  /** The record says that the upstream is connected. */
  readonly isConnected: boolean;
  /** Envoy's response flags. */
  readonly flags: string;
  /** Both addresses of the connection between the proxies, the client's first: as the client's proxy has them, and as the server's has them. */
  readonly wireOut: string;
  readonly wireIn: string;
  /** The `pod-template-hash` of the pod that was chosen. */
  readonly template: string;
}

interface TrialRecord {
  readonly isEnd: boolean;
  /** Bytes to the client so far. */
  readonly sent: number;
  readonly tags: Labels;
  readonly trial: TrialFacts;
}

/** What is known of a connection between its records. */
export interface TrialState {
  isConnected: boolean;
  isDecided: boolean;
}

/** A connection of which nothing is known yet; `isDecided` where it is older than the watching. */
export function startTrial(isDecided: boolean): TrialState {
  return { isConnected: isDecided, isDecided };
}

/** "waits": it is good unless the server's proxy says otherwise. Undefined: nothing is decided by this record. */
type Outcome = "good" | "failed" | "waits" | undefined;

/** Envoy: no connection (UF: it failed, URX: after all attempts), and the upstream's reset (UR; seen with 1.40 where HTTP means another thing by it). */
const failedFlags: ReadonlySet<string> = new Set(["UF", "URX"]);
const resetFlag = "UR";

/** Takes the next record of a connection, none that came before its last. */
function decideTrial(state: TrialState, { isEnd, sent, trial }: TrialRecord): Outcome {
  const flags = trial.flags.split(",");
  const wasDecided = state.isDecided;
  state.isConnected ||= trial.isConnected || sent > 0;
  if (trial.isConnected || (!isEnd && !state.isConnected)) return undefined;
  // UF alone stays where another attempt was successful.
  const hasFailed = flags.includes(resetFlag) || (!state.isConnected && flags.some((flag) => failedFlags.has(flag)));
  if (isEnd && hasFailed) {
    state.isDecided = true;
    return "failed";
  }
  if (!state.isConnected) return undefined;
  const mayBeRefused = isEnd && sent === 0 && trial.wireOut !== "";
  if (wasDecided && !mayBeRefused) return undefined;
  state.isDecided = true;
  return mayBeRefused ? "waits" : "good";
}

/** Adds to a series. */
type AddCount = (name: typeof connectionsTried | typeof connectionsFailed, tags: Labels) => void;

interface Waiting {
  readonly tags: Labels;
  readonly sinceMs: number;
  /** It counted as good before, by its age. */
  readonly wasDecided: boolean;
}

/** Both proxies send their records once a second; one more for the way, and one for a machine that is busy. */
const waitMs = 3000;
/** Of one caller; what is beyond is taken for good. */
const mostWaiting = 10_000;
/** Of all servers; the oldest are forgotten. */
const mostRefusals = 20_000;

/** Trials of all proxies: counts what is decided, and brings together what the proxies of both ends say. */
export class ConnectionTrials {
  /** By caller, then by the pair of addresses. */
  readonly #waiting = new Map<string, Map<string, Waiting>>();
  /** When the server's proxy said so, by the pair of addresses; the oldest first. */
  readonly #refusals = new Map<string, number>();

  /** Counts what a record decides, but for what waits: `due` has that. */
  observe(
    source: string,
    of: { readonly state: TrialState; readonly record: TrialRecord; readonly nowMs: number; readonly add: AddCount },
  ): void {
    const { state, record, nowMs, add } = of;
    const { isDecided: wasDecided } = state;
    const outcome = decideTrial(state, record);
    const { wireIn, wireOut } = record.trial;
    if (wireIn !== "") {
      // Callers are counted; servers say what callers can't see.
      if (outcome === "failed" && !state.isConnected) this.#refuse(wireIn, nowMs);
      return;
    }
    if (outcome === undefined) return;
    const tags = trialTags(record);
    const waiting = this.#waiting.get(source) ?? new Map<string, Waiting>();
    if (outcome === "waits" && waiting.size < mostWaiting) {
      this.#waiting.set(source, waiting.set(wireOut, { tags, sinceMs: nowMs, wasDecided }));
      return;
    }
    count({ isFailed: outcome === "failed", wasDecided }, tags, add);
  }

  /** Counts a caller's connections that have waited long enough, or were refused. */
  due(source: string, nowMs: number, add: AddCount): void {
    const waiting = this.#waiting.get(source);
    for (const [wire, { tags, sinceMs, wasDecided }] of waiting ?? []) {
      const isFailed = this.#refusals.delete(wire);
      if (!isFailed && nowMs - sinceMs < waitMs) continue;
      waiting?.delete(wire);
      count({ isFailed, wasDecided }, tags, add);
    }
    for (const [wire, atMs] of this.#refusals) {
      if (nowMs - atMs < 2 * waitMs) break;
      this.#refusals.delete(wire);
    }
  }

  /** The caller is gone. */
  end(source: string): void {
    this.#waiting.delete(source);
  }

  #refuse(wire: string, nowMs: number): void {
    this.#refusals.delete(wire);
    this.#refusals.set(wire, nowMs);
    const [oldest] = this.#refusals.keys();
    if (this.#refusals.size > mostRefusals && oldest !== undefined) this.#refusals.delete(oldest);
  }
}

interface Decided {
  readonly isFailed: boolean;
  readonly wasDecided: boolean;
}

function count({ isFailed, wasDecided }: Decided, tags: Labels, add: AddCount): void {
  if (wasDecided && !isFailed) return;
  add(connectionsTried, tags);
  if (isFailed) add(connectionsFailed, tags);
}

function trialTags({ tags, trial }: TrialRecord): Labels {
  return trial.template === "" ? tags : { ...tags, [templateTag]: trial.template };
}
