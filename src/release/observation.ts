// What the engine saw since its last decision: versions and their pods, one sample per second, what proxies acknowledged, what people asked for,
// and which actions were carried out. The wiring makes it; decide() only reads it. Everything may be delivered twice.

/** One second of one arm. An arm is a version, as its pods' label has it. */
export interface ArmSecond {
  /** Tries, counted by the callers, so that the mesh's retries hide nothing; requests routed by a match step are left out of steps by share. */
  readonly requests: number;
  /** 5xx, resets, timeouts, bad gRPC status. */
  readonly errors: number;
  /** 4xx. */
  readonly clientErrors?: number;
  /** Per bucket of the edges that the run's judge has (judging.ts); the last is beyond them all. */
  readonly latency?: readonly number[];
  /** Metrics of a query: how often it was tried, and how often it failed or succeeded (ReleaseMetric.counts). */
  readonly metrics?: Readonly<Record<string, { readonly trials: number; readonly events: number }>>;
  /** Pods with errors. */
  readonly pods?: readonly string[];
  /** TCP: connections that began, those that were decided (they ended well, lasted, or failed), and those of these that failed. */
  readonly connections?: { readonly opened: number; readonly tried: number; readonly failed: number };
}

/** What is counted of a service: requests, or connections where it is TCP alone. */
export type TrafficUnit = "requests" | "connections";

export interface SampleSecond {
  /** Unix time. Each second is judged once; an older or equal one is ignored. */
  readonly second: number;
  /** No requests at all is {}: that the source works is said by the sample being there. */
  readonly arms: Readonly<Record<string, ArmSecond>>;
}

export interface ObservedVersion {
  readonly name: string;
  /** When it appeared, milliseconds; the newest is the candidate. */
  readonly since: number;
  readonly readyPods: number;
  /** Its Deployment opted in to be scaled by the engine. */
  readonly scaleManaged?: boolean;
  /** In-place updates: the Deployment's template is this version's now, so whoever wrote it wants this one. */
  readonly deployed?: boolean;
}

/** What a person, or a program in a person's name, asked for. */
export interface PersonInput {
  /** Ascending, given by the store when it was written: an input is handled once. */
  readonly seq: number;
  readonly type: "promote" | "abort" | "pause" | "resume" | "set-weight" | "undo" | "retry";
  readonly actor: string;
  readonly reason: string;
  /** set-weight. */
  readonly percent?: number;
  /** promote: skip all steps that are left, not only this one. */
  readonly full?: boolean;
  /** Also within a freeze window. */
  readonly force?: boolean;
}

export interface CheckResult {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}

/** A Deployment's own update, as its controller reports it. */
export interface RolloutProgress {
  readonly direction: "forward" | "undo";
  readonly updatedReady: number;
  readonly total: number;
  /** Why it can't go on, if it can't. */
  readonly failed?: string;
  /** recreate: how long nobody answered. */
  readonly gapMs?: number;
}

/** Words for programs: reasons of Events, as `decisions[].what`. */
export const findingKinds = ["CallersNotSteered", "BaggageDropped"] as const;

export type FindingKind = (typeof findingKinds)[number];

/** Something about the callers that makes a run's shares other than it says. */
export interface RunFinding {
  readonly kind: FindingKind;
  /** What it is about, a part of the sentence: two of one kind are told apart by it. */
  readonly subject: string;
  /** Cause and consequence, with numbers. */
  readonly sentence: string;
}

export interface Observation {
  /** Those with a Deployment, also without pods. */
  readonly versions: readonly ObservedVersion[];
  /** The version that users' routes give most traffic to; who looks at a Release for the first time asks for it. */
  readonly routed?: string;
  readonly samples: readonly SampleSecond[];
  /** Of the move last carried out: how many of the affected proxies have it. */
  readonly acknowledged?: { readonly move: number; readonly acknowledged: number; readonly total: number };
  readonly inputs: readonly PersonInput[];
  /** Ids of actions that were carried out. */
  readonly done: readonly string[];
  /** Results by the id of the check action. */
  readonly checks: Readonly<Record<string, readonly CheckResult[]>>;
  readonly rollout?: RolloutProgress;
  /**
   * In-place updates where candidate and stable have the same version label: what can't tell their pods apart. Callers can, by the templates of
   * Deployments ("all": not these); whoever answers queries about versions can't ("queries").
   */
  readonly indistinct?: "all" | "queries";
  /** Metrics whose provider is down, each with the reason. */
  readonly providers?: Readonly<Record<string, string>>;
  /** ConfigMaps and Secrets that pods of candidate or stable use, each with a hash of its content. */
  readonly configs?: Readonly<Record<string, string>>;
  /** Of a service whose ports are all TCP; requests unless given. */
  readonly unit?: TrafficUnit;
  /** What is known of the callers now, in a stable order. */
  readonly findings?: readonly RunFinding[];
}
