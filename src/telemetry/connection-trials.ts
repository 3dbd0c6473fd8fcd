// A TCP connection as a trial of the server that was chosen for it, for whoever judges versions: counted once it is decided. In: what the proxies of both ends log
// of it. Out: tried and failed connections by series, each under its caller.
//
// Good: it ended without the server's fault, or lived for a report's interval. Failed: it couldn't be made, or the server reset it. A client's reset is no
// fault, and what nobody saw the end of is no trial. A reset of a connection that had counted as good is one more trial, failed; who had ended first isn't
// logged, and a reset may cost a client that has finished the answer it hasn't read (RFC 9112, 9.6). What the client's proxy can't see is that the proxy before
// the server didn't reach the application: the client's own connection was made, and ends well without a byte. Such connections wait a moment for what
// the other proxy says of the same pair of addresses: failed, or no trial where the client left first. Each proxy is heard about its own pod's address only.

import type { Labels } from "./point.ts";
import { connectionsFailed, connectionsTried, templateTag } from "./proxy-reports.ts";
import { type ServerWord, ServerWords } from "./server-words.ts";

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
  /** It has counted. */
  isDecided: boolean;
}

/** A connection of which nothing is known yet; `isDecided` where it is older than the watching. */
export function startTrial(isDecided: boolean): TrialState {
  return { isConnected: isDecided, isDecided };
}

/** "asks": it is good unless the server's proxy says otherwise. Undefined: nothing is decided by this record. */
type Outcome = "good" | "failed" | "asks" | undefined;

/** Envoy: no connection (UF: it failed, URX: after all attempts), and the upstream's reset (UR; seen with 1.40 where HTTP means another thing by it). */
const failedFlags: ReadonlySet<string> = new Set(["UF", "URX"]);
const resetFlag = "UR";

/** Takes the next record of a caller's connection, none that came before its last. */
function decideTrial(state: TrialState, { isEnd, sent, trial }: TrialRecord): Outcome {
  const flags = trial.flags.split(",");
  if (trial.isConnected || (!isEnd && !state.isConnected)) return undefined;
  // UF alone stays where another attempt was successful.
  const hasFailed = flags.includes(resetFlag) || (!state.isConnected && flags.some((flag) => failedFlags.has(flag)));
  if (isEnd && hasFailed) return "failed";
  if (!state.isConnected || (state.isDecided && !isEnd)) return undefined;
  return sent === 0 && trial.wireOut !== "" ? "asks" : "good";
}

/** What the server's proxy says by a record; undefined: its application was reached. */
function serverWord({ isConnected }: TrialState, { isEnd, trial }: TrialRecord): ServerWord | undefined {
  if (isConnected) return undefined;
  if (!isEnd) return "pending";
  return trial.flags.split(",").some((flag) => failedFlags.has(flag)) ? "failed" : "left";
}

/** Adds to a series. */
type AddCount = (name: typeof connectionsTried | typeof connectionsFailed, tags: Labels) => void;

interface Waiting {
  readonly tags: Labels;
  readonly sinceMs: number;
  readonly isEnd: boolean;
  readonly state: TrialState;
}

/** Both proxies send their records once a second; one more for the way, and one for a machine that is busy. */
const waitMs = 3000;

export interface ConnectionTrialsOptions {
  /** The address of a proxy's pod, by its id; undefined while it isn't known. */
  readonly addressOf: (source: string) => string | undefined;
  /** Of one caller, and of all: what is beyond is no trial. 10,000 and 30,000 unless given. */
  readonly maxWaiting?: number;
  readonly maxWaitingInAll?: number;
  /** Of one server, and of all. 5,000 and 20,000 unless given. */
  readonly maxWords?: number;
  readonly maxWordsInAll?: number;
}

/** Trials of all proxies: counts what is decided, and brings together what the proxies of both ends say. */
export class ConnectionTrials {
  readonly #addressOf: ConnectionTrialsOptions["addressOf"];
  readonly #maxWaiting: number;
  readonly #maxWaitingInAll: number;
  /** By caller, then by the pair of addresses. */
  readonly #waiting = new Map<string, Map<string, Waiting>>();
  #waitingCount = 0;
  readonly #words: ServerWords;
  #dropped = 0;

  constructor({ addressOf, maxWaiting = 10_000, maxWaitingInAll = 30_000, maxWords, maxWordsInAll }: ConnectionTrialsOptions) {
    this.#addressOf = addressOf;
    this.#maxWaiting = maxWaiting;
    this.#maxWaitingInAll = maxWaitingInAll;
    this.#words = new ServerWords({ maxOfServer: maxWords ?? 5000, maxInAll: maxWordsInAll ?? 20_000 });
  }

  /** Connections that were left out, or judged without what their server's proxy had said, for want of room. */
  get dropped(): number {
    return this.#dropped + this.#words.forgotten;
  }

  /** Counts what a record decides, but for what waits: `due` has that. */
  observe(
    source: string,
    of: { readonly state: TrialState; readonly record: TrialRecord; readonly nowMs: number; readonly add: AddCount },
  ): void {
    const { state, record, nowMs, add } = of;
    const { wireIn, wireOut, isConnected } = record.trial;
    state.isConnected ||= isConnected || record.sent > 0;
    if (wireIn !== "") {
      // Callers are counted; servers say what callers can't see.
      this.#hear(source, of);
      return;
    }
    const outcome = decideTrial(state, record);
    if (outcome === undefined) return;
    const tags = trialTags(record);
    this.#forget(source, wireOut);
    if (outcome === "asks" && this.#isOf(source, addressesOf(wireOut)[0])) {
      this.#wait(source, wireOut, { tags, sinceMs: nowMs, isEnd: record.isEnd, state });
      return;
    }
    count({ isFailed: outcome === "failed", state }, tags, add);
  }

  /** Counts a caller's connections that have waited long enough, or of which the server's proxy has spoken. */
  due(source: string, nowMs: number, add: AddCount): void {
    for (const [wire, { tags, sinceMs, isEnd, state }] of this.#waiting.get(source) ?? []) {
      const [, server] = addressesOf(wire);
      const word = this.#words.wordOf(wire, server);
      // Of one that has ended the last word is still to come.
      const isOpen = word === undefined || (word === "pending" && isEnd);
      if (isOpen && nowMs - sinceMs < waitMs) continue;
      this.#forget(source, wire);
      // What is pending is decided by a later record of its own.
      if (word !== "pending") this.#words.take(wire, server);
      if (word === undefined || word === "failed") count({ isFailed: word === "failed", state }, tags, add);
    }
    this.#words.expire(nowMs - 2 * waitMs);
  }

  /** The caller is gone. */
  end(source: string): void {
    this.#waitingCount -= this.#waiting.get(source)?.size ?? 0;
    this.#waiting.delete(source);
  }

  #hear(
    source: string,
    { state, record, nowMs }: { readonly state: TrialState; readonly record: TrialRecord; readonly nowMs: number },
  ): void {
    const { wireIn } = record.trial;
    const [, server] = addressesOf(wireIn);
    // Whoever guesses a pair would take another's version back.
    if (!this.#isOf(source, server)) return;
    const word = serverWord(state, record);
    if (word === undefined) this.#words.take(wireIn, server);
    else this.#words.say(server, wireIn, { word, atMs: nowMs });
  }

  #isOf(source: string, address: string): boolean {
    return address !== "" && this.#addressOf(source) === address;
  }

  #wait(source: string, wire: string, waiting: Waiting): void {
    const all = this.#waiting.get(source) ?? new Map<string, Waiting>();
    if (all.size >= this.#maxWaiting || this.#waitingCount >= this.#maxWaitingInAll) {
      // To take it for good would hide a version that refuses; one that lives is asked for again.
      if (waiting.isEnd) this.#dropped += 1;
      return;
    }
    this.#waiting.set(source, all.set(wire, waiting));
    this.#waitingCount += 1;
  }

  #forget(source: string, wire: string): void {
    if (this.#waiting.get(source)?.delete(wire) === true) this.#waitingCount -= 1;
  }
}

/** Of "198.18.0.9:41000 198.18.0.5:8082" or "[fd00::9]:41000 [fd00::5]:8082" both addresses without ports; "" for what is none. */
function addressesOf(wire: string): readonly [string, string] {
  const [client = "", server = ""] = wire.split(" ").map((end) => end.slice(0, Math.max(0, end.lastIndexOf(":"))).replaceAll(/[[\]]/g, ""));
  return [client, server];
}

interface Decided {
  readonly isFailed: boolean;
  readonly state: TrialState;
}

function count({ isFailed, state }: Decided, tags: Labels, add: AddCount): void {
  if (state.isDecided && !isFailed) return;
  state.isDecided = true;
  add(connectionsTried, tags);
  if (isFailed) add(connectionsFailed, tags);
}

function trialTags({ tags, trial }: TrialRecord): Labels {
  return trial.template === "" ? tags : { ...tags, [templateTag]: trial.template };
}
