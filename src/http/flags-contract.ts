// OFREP, OpenFeature's remote evaluation protocol (github.com/open-feature/protocol, service/openapi.yaml 0.1.0): what is answered under /ofrep/v1.
// Types only; the routes are in routes/flags.ts.

import type { FlagReason, FlagValue } from "../release/flags.ts";

/** Header by which the node says which pod asks: "<namespace>/<name>". Without it the query's `namespace` counts, or "default". */
export const flagCallerHeader = "x-lateen-pod";

/** Who asks: flags are those of the namespace. */
export interface FlagCaller {
  readonly namespace: string;
  readonly pod?: string;
}

/** serverEvaluationSuccess */
export interface FlagEvaluation {
  readonly key: string;
  readonly value: FlagValue;
  readonly variant: string;
  readonly reason: FlagReason;
  readonly metadata: {
    /** "<namespace>/<name>" of the FeatureFlag. */
    readonly flag: string;
    readonly service: string;
    /** The request header that the service's application gets the value in. */
    readonly header: string;
    /** The version that the service's requests reach. */
    readonly version?: string;
  };
}

/** evaluationFailure and flagNotFound; bulkEvaluationFailure has no key. */
export interface FlagFailure {
  readonly key?: string;
  readonly errorCode: "PARSE_ERROR" | "TARGETING_KEY_MISSING" | "INVALID_CONTEXT" | "GENERAL" | "FLAG_NOT_FOUND";
  readonly errorDetails: string;
}

export interface FlagReply<Body> {
  readonly status: 200 | 400 | 404;
  readonly body: Body | FlagFailure;
}

/** bulkEvaluationSuccess */
export interface FlagList {
  readonly flags: readonly (FlagEvaluation | FlagFailure)[];
}

/** What the control plane knows of flags; app implements it. Both throw Unavailable while there is no mesh yet. */
export interface FlagsView {
  evaluate(caller: FlagCaller, key: string, body: unknown): FlagReply<FlagEvaluation>;
  /** All flags of the namespace, sorted by key. */
  evaluateAll(caller: FlagCaller, body: unknown): FlagReply<FlagList>;
}

/** configurationResponse: whoever asks for all flags again and again gets 304 while nothing changed. */
export const flagConfiguration = {
  name: "lateen",
  capabilities: {
    cacheInvalidation: { polling: { enabled: true, minPollingIntervalMs: 1000 } },
    flagEvaluation: { supportedTypes: ["string", "boolean", "int", "float", "object"] },
    // An answer holds until a release moves; no time to live would be right.
    caching: { enabled: false, ttl: 0 },
  },
} as const;
