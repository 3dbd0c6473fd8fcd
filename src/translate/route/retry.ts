// `retries` of an http route → Envoy's RetryPolicy; without `retries` the mesh's default policy, which exists.

import type { RetryPolicyJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { PreviousHostsPredicateSchema } from "#envoy/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js";
import { PreviousPrioritiesConfigSchema } from "#envoy/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.js";
import type { HttpRetry } from "../../api/networking/virtual-service.ts";
import { any } from "../../envoy/any.ts";
import { defined } from "../../envoy/defined.ts";
import { protoDuration } from "../../lib/duration.ts";

/** Istio's default retry_on: only failures after which the request was surely not processed, or said so itself. */
const defaultRetryOn = "connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes";
/** Retries after the first try (Istio's default policy). */
const defaultAttempts = 2;
/** How often a host already tried is drawn again before it is taken (Istio's default policy). */
const hostSelectionAttempts = 5;

const previousHosts = {
  name: "envoy.retry_host_predicates.previous_hosts",
  typedConfig: any(PreviousHostsPredicateSchema, {}),
};

const previousPriorities = {
  name: "envoy.retry_priorities.previous_priorities",
  typedConfig: any(PreviousPrioritiesConfigSchema, { updateFrequency: 2 }),
};

/**
 * Envoy's RetryPolicy, or undefined when retries are off (`attempts: 0`).
 *
 * `consistentHash`: the route's one destination picks hosts by hash, so by default a retry goes to the same host again.
 * Back-off is Envoy's (25 ms base, ten times that at most) when `backoff` is unset.
 */
export function retryPolicy(retries: HttpRetry | undefined, options: { readonly consistentHash: boolean }): RetryPolicyJson | undefined {
  if (retries !== undefined && retries.attempts <= 0) return undefined;
  const { retryOn, statusCodes } = parseRetryOn(retries?.retryOn);
  const otherHosts = retries?.retryIgnorePreviousHosts ?? !options.consistentHash;
  return defined<RetryPolicyJson>({
    retryOn,
    numRetries: retries?.attempts ?? defaultAttempts,
    retriableStatusCodes: statusCodes.length === 0 ? undefined : statusCodes,
    perTryTimeout: retries?.perTryTimeout === undefined ? undefined : protoDuration(retries.perTryTimeout),
    retryHostPredicate: otherHosts ? [previousHosts] : undefined,
    hostSelectionRetryMaxAttempts: String(hostSelectionAttempts),
    retryPriority: retries?.retryRemoteLocalities === true ? previousPriorities : undefined,
    retryBackOff: retries?.backoff === undefined ? undefined : { baseInterval: protoDuration(retries.backoff) },
  });
}

/** Splits Istio's retryOn into Envoy's conditions and raw status codes, which need the condition retriable-status-codes. */
function parseRetryOn(text: string | undefined): { readonly retryOn: string; readonly statusCodes: number[] } {
  const given = (text ?? "").split(",").flatMap((part) => (part.trim() === "" ? [] : [part.trim()]));
  if (given.length === 0) return { retryOn: defaultRetryOn, statusCodes: [] };
  const statusCodes = given.filter(isStatusCode).map(Number);
  const conditions = given.filter((part) => !isStatusCode(part));
  const missing = statusCodes.length > 0 && !conditions.includes("retriable-status-codes");
  return { retryOn: [...conditions, ...(missing ? ["retriable-status-codes"] : [])].join(","), statusCodes };
}

function isStatusCode(part: string): boolean {
  return /^[1-5]\d\d$/.test(part);
}
