// Listener filters: what is read of a connection before its chain is chosen.

import type { ListenerFilterChainMatchPredicateJson, ListenerFilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import { HttpInspectorSchema } from "#envoy/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js";
import { OriginalDstSchema } from "#envoy/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js";
import { TlsInspectorSchema } from "#envoy/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js";
import { any } from "../../envoy/any.ts";
import { defined } from "../../envoy/defined.ts";

/** Restores the address a captured connection was going to. */
export const originalDestination: ListenerFilterJson = {
  name: "envoy.filters.listener.original_dst",
  typedConfig: any(OriginalDstSchema, {}),
};

/** Reads the server name and the offered protocols of a TLS hello; waits for the client's first bytes. */
export const tlsInspector: ListenerFilterJson = {
  name: "envoy.filters.listener.tls_inspector",
  typedConfig: any(TlsInspectorSchema, {}),
};

/** The same on these ports only, or on all but these. */
export function tlsInspectorOn(ports: { readonly only: readonly number[] } | { readonly except: readonly number[] }): ListenerFilterJson {
  if ("only" in ports) return { ...tlsInspector, filterDisabled: { notMatch: anyPort(ports.only) } };
  return ports.except.length === 0 ? tlsInspector : { ...tlsInspector, filterDisabled: anyPort(ports.except) };
}

/** Recognises HTTP by the client's first bytes; only on `ports` when given, because waiting breaks protocols whose server speaks first. */
export function httpInspector(ports?: readonly number[]): ListenerFilterJson {
  return defined<ListenerFilterJson>({
    name: "envoy.filters.listener.http_inspector",
    typedConfig: any(HttpInspectorSchema, {}),
    filterDisabled: ports === undefined ? undefined : { notMatch: anyPort(ports) },
  });
}

function anyPort(ports: readonly number[]): ListenerFilterChainMatchPredicateJson {
  const rules = ports.map((port) => ({ destinationPortRange: { start: port, end: port + 1 } }));
  const [only] = rules;
  // An "or" of one rule is refused.
  return rules.length === 1 && only !== undefined ? only : { orMatch: { rules } };
}

/** What http_inspector calls the protocols that an HTTP connection manager can serve. */
export const httpApplicationProtocols: readonly string[] = ["http/1.0", "http/1.1", "h2c"];
