// Who is asking, for proxies that come by TLS: the service-account token in a stream's metadata, which is bound to a pod, names the proxy.
// In: gRPC calls. Out: identities for the ADS server, or reasons for its log and counter. The work done for strangers is bounded.

import type { Snapshot } from "../api/snapshot.ts";
import type { TokenService, TokenSubject } from "../ca/tokens.ts";
import { type Clock, systemClock } from "../lib/clock.ts";
import type { Authenticate, Caller, RefusedStream, StreamIdentity } from "../xds/stream-identity.ts";

/** Whom a token for the control plane is for (Istio's projected volume `istio-token`). */
export const controlPlaneAudience = "istio-ca";

/** What is known of a pod that may have a proxy. */
export interface KnownProxy {
  readonly id: string;
  readonly podUid: string;
  readonly serviceAccount: string;
}

export interface TokenIdentityOptions {
  readonly tokens: Pick<TokenService, "review">;
  /** The proxy of a pod; undefined when there is none. */
  readonly proxyOf: (namespace: string, podName: string) => KnownProxy | undefined;
  /** Default "istio-ca". */
  readonly audience?: string;
  readonly clock?: Clock;
}

/** Refused streams of one address at a time; then one a `refillMs`. Those that succeed don't count. */
const burst = 100;
const refillMs = 200;
/** Addresses remembered; the one not seen for longest is forgotten first. */
const maxAddresses = 4096;
/** Reviews under way at the same time, of all callers; one takes less than a millisecond. */
const maxReviews = 1000;

/** Tells proxies by their tokens. Nothing of a stream but its metadata is looked at. */
export function authenticateByToken(options: TokenIdentityOptions): Authenticate {
  const { clock = systemClock } = options;
  const attempts = new Attempts(clock);
  let underWay = 0;
  return async (call) => {
    const address = addressOf(call);
    if (underWay >= maxReviews || !attempts.begin(address)) return { refused: "too many attempts" };
    underWay += 1;
    try {
      const result = await identityOf(call, options);
      if (!("refused" in result)) attempts.succeeded(address);
      return result;
    } finally {
      underWay -= 1;
    }
  };
}

async function identityOf(call: Caller, options: TokenIdentityOptions): Promise<StreamIdentity | RefusedStream> {
  const { tokens, proxyOf, audience = controlPlaneAudience } = options;
  const token = bearerToken(call);
  if (token === undefined) return { refused: "no token" };
  const review = await tokens.review(token, audience);
  if (!review.authenticated) return { refused: `token: ${review.reason}` };
  const { namespace, serviceAccount, pod } = review.subject;
  if (pod === undefined) return { refused: "token: not of a pod" };
  const proxy = proxyOf(namespace, pod.name);
  if (proxy === undefined) return { refused: "unknown pod" };
  if (proxy.podUid !== pod.uid || proxy.serviceAccount !== serviceAccount.name) return { refused: "another pod" };
  return { proxyId: proxy.id, expiresAtMs: review.expiresAtMs };
}

/** The one bearer token of a call (RFC 6750 §2.1). */
function bearerToken(call: Caller): string | undefined {
  const [value, ...others] = call.metadata.get("authorization");
  if (typeof value !== "string" || others.length > 0) return undefined;
  const prefix = "Bearer ";
  return value.startsWith(prefix) ? value.slice(prefix.length) : undefined;
}

/** The caller's address without its port. */
function addressOf(call: Caller): string {
  const peer = call.getPeer();
  return peer.slice(0, Math.max(0, peer.lastIndexOf(":")));
}

/** A bucket per address. */
class Attempts {
  readonly #clock: Clock;
  readonly #spent = new Map<string, { count: number; atMs: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Counts an attempt; false when the address has had too many. */
  begin(address: string): boolean {
    const nowMs = this.#clock.monotonic();
    const before = this.#spent.get(address) ?? { count: 0, atMs: nowMs };
    const count = Math.max(0, before.count - (nowMs - before.atMs) / refillMs);
    this.#spent.delete(address);
    const isAllowed = count < burst;
    this.#spent.set(address, { count: isAllowed ? count + 1 : count, atMs: nowMs });
    if (this.#spent.size > maxAddresses) this.#forgetOldest();
    return isAllowed;
  }

  succeeded(address: string): void {
    const spent = this.#spent.get(address);
    if (spent !== undefined) spent.count = Math.max(0, spent.count - 1);
  }

  #forgetOldest(): void {
    for (const address of this.#spent.keys()) {
      this.#spent.delete(address);
      return;
    }
  }
}

/** Whether pod and service account of a token are the very objects that exist, for `tokenService({isAlive})`. */
export function isTokenSubjectAlive(snapshot: () => Snapshot): (subject: TokenSubject) => boolean {
  return ({ namespace, serviceAccount, pod }) => {
    const objects = snapshot();
    if (objects.get("ServiceAccount", namespace, serviceAccount.name)?.metadata.uid !== serviceAccount.uid) return false;
    if (pod === undefined) return true;
    const found = objects.get("Pod", namespace, pod.name);
    return found?.metadata.uid === pod.uid && found.spec.serviceAccountName === serviceAccount.name;
  };
}
