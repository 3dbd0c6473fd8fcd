// GET /lateen/v1/tap: requests and connections as they happen, one JSON line each, and which rule routed them. Types, and the zod schema of the query.

import { z } from "zod";

/** One end of a request. */
export interface TapEnd {
  /** What people call it: "shop/web-v1", "api.example.com", "127.0.0.1". */
  readonly name: string;
  /** "service": nobody behind it was reached; "outside": no workload of the mesh. */
  readonly kind: "workload" | "gateway" | "service" | "outside";
  readonly namespace?: string;
  /** Name of the Deployment, or of the pod. */
  readonly workload?: string;
  readonly pod?: string;
  /** Label `version`, or service.istio.io/canonical-revision. */
  readonly version?: string;
  /** Kubernetes services that the workload belongs to, or hosts, fully qualified. */
  readonly services: readonly string[];
  /** Address and port as the proxy knows them. */
  readonly address?: string;
  /** SPIFFE ID in the certificate that this end showed; missing without mutual TLS. */
  readonly identity?: string;
}

/** What decided where a request goes. */
export interface TapRule {
  /** For people: `VirtualService shop/web http[2] "canary"`. */
  readonly text: string;
  /** "VirtualService shop/web", or the Service that stands behind a host without rules. */
  readonly resource?: string;
  /** "spec.http[2]", and "spec.http[2].match[0]" where one of several match blocks decided. */
  readonly path?: string;
  readonly name?: string;
  /** Subset that was drawn or named. */
  readonly subset?: string;
  /** The drawn destination's share now, 0 to 100, where the rule has several. */
  readonly weightPercent?: number;
}

/** What one proxy saw of a request. Times by its own clock. */
export interface TapHalf {
  /** Id of the proxy, "<pod>.<namespace>". */
  readonly proxy: string;
  /** RFC 3339. */
  readonly start: string;
  readonly durationMs: number;
  /** Until the upstream's headers; missing without an answer of it. */
  readonly upstreamMs?: number;
  /** 0 when there was no answer; 0 for connections. */
  readonly code: number;
  /** Envoy's response flags. */
  readonly flags: readonly string[];
  /** Envoy's response code details: who answered, and why. */
  readonly details: string;
  readonly grpcStatus?: string;
  readonly transportFailure?: string;
  readonly receivedBytes: number;
  readonly sentBytes: number;
  readonly cluster: string;
  readonly upstream: string;
  /** Tries that the client's proxy made; which of them the server's got. */
  readonly attempts: number;
  readonly attempted: readonly string[];
}

/** A request, or a connection's begin ("connected") or end ("closed"). */
export interface TapEvent {
  readonly kind: "request" | "connected" | "closed";
  /** RFC 3339; the client's proxy's where it is watched. */
  readonly start: string;
  readonly protocol: string;
  readonly method: string;
  readonly authority: string;
  readonly path: string;
  readonly source: TapEnd;
  readonly destination: TapEnd;
  /** As the client's proxy saw it, and as the server's did; at least one of them. */
  readonly client?: TapHalf;
  readonly server?: TapHalf;
  /** The server's half of a try that wasn't the request's last. */
  readonly earlierTry?: true;
  /** Known from the client's proxy. */
  readonly rule?: TapRule;
  readonly mirrored: boolean;
  /** A server's fault, no answer, or a gRPC status that is one. */
  readonly failed: boolean;
  readonly requestId: string;
  readonly traceparent: string;
  readonly userAgent: string;
  readonly sni: string;
}

export type TapLine =
  | { readonly type: "event"; readonly event: TapEvent }
  /** So many proxies tell from now on. */
  | { readonly type: "watching"; readonly proxies: number }
  /** Only this share of requests is told of, because there are too many. */
  | { readonly type: "sampling"; readonly percent: number }
  /** Lines that were left out because the reader, or the control plane, was too slow. */
  | { readonly type: "dropped"; readonly count: number }
  | { readonly type: "alive" };

const flag = z.enum(["true", "false"]).transform((text) => text === "true");

/** What to watch. Parties are "name", "namespace/name", "name.namespace" or "kind/name" of a workload, pod or service, or a host. */
export const tapQuerySchema = z.object({
  /** At either end. */
  party: z.string().max(300).optional(),
  from: z.string().max(300).optional(),
  to: z.string().max(300).optional(),
  /** Of parties without one; without parties, of either end. */
  namespace: z.string().max(63).optional(),
  /** Of either end. */
  version: z.string().max(63).optional(),
  method: z.string().max(32).optional(),
  /** Prefix, or a pattern where "*" stands for anything. */
  path: z.string().max(1024).optional(),
  /** "503", "5xx", "none", or several with commas. */
  status: z
    .string()
    .max(100)
    .regex(/^(none|[1-5]xx|[1-5]\d\d)(,(none|[1-5]xx|[1-5]\d\d))*$/, "write for example 503, 5xx or 4xx,5xx")
    .optional(),
  minDurationMs: z.coerce.number().min(0).max(86_400_000).optional(),
  failed: flag.optional(),
  mirrored: flag.optional(),
});

export type TapQuery = z.output<typeof tapQuerySchema>;

/** What the app serves. */
export interface TapSource {
  /**
   * Sends lines until the returned function is called. `send` answers false when the line could not be taken.
   *
   * @throws NotFound when a party is nobody of the mesh, MeshError "unavailable" when too many watch.
   */
  watch(query: TapQuery, send: (line: TapLine) => boolean): () => void;
}
