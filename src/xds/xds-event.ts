// What happens between the server and its proxies, for those who count it.

import type { ResourceType } from "../envoy/config.ts";

export type XdsEvent =
  /** A response is on its way. */
  | { readonly kind: "sent"; readonly type: ResourceType; readonly sizeBytes: number }
  /** The transport took it, so long after. */
  | { readonly kind: "taken"; readonly ms: number }
  /** The proxy refused one. */
  | { readonly kind: "refused"; readonly type: ResourceType }
  /** The proxy has acknowledged all that it should have, so long after its configuration changed. */
  | { readonly kind: "converged"; readonly ms: number };

export type OnXdsEvent = (event: XdsEvent) => void;
