// The listener that all connections to a pod reach: chains per port of its application and of what it accepts there, and those for ports
// nobody declares. Ports and modes in, Listener out.

import type { ListenerFilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import type { ListenerJson } from "#envoy/envoy/config/listener/v3/listener_pb.js";
import { defined } from "../../envoy/defined.ts";
import { blackHoleClusterName, inboundCapturePort, virtualInboundListenerName } from "../../envoy/names.ts";
import { protoDuration } from "../../lib/duration.ts";
import type { InboundPort, MeshSettings } from "../../model/mesh.ts";
import type { WorkloadMtls } from "../../model/policies.ts";
import { mtlsModeOf } from "../../model/policies.ts";
import { isHttp } from "../../model/protocol.ts";
import { socketAddress } from "../address.ts";
import { handshakeFailureLog } from "../filter/access-log.ts";
import { tcpProxyFilter } from "../filter/tcp-proxy.ts";
import { refusedService } from "../service-text.ts";
import { catchAllChains, portChains } from "./inbound-chains.ts";
import { httpInspector, originalDestination, tlsInspectorOn } from "./listener-filters.ts";

export interface InboundListener {
  readonly ports: readonly InboundPort[];
  readonly mtls: WorkloadMtls;
  readonly settings: MeshSettings;
}

/**
 * Port 15006.
 *
 * Everything but the chains stays as it is when a port goes between PERMISSIVE and STRICT, so Envoy changes the listener in place and
 * connections on unchanged chains live on. Where a port stops or starts to read TLS at all (DISABLE) the listener filters change, and with
 * them the listener: its connections are drained.
 */
export function virtualInboundListener(inbound: InboundListener): ListenerJson {
  const { ports, mtls, settings } = inbound;
  const declared = new Set(ports.map(({ port }) => port));
  const undeclared = [...mtls.ports].filter(([port]) => !declared.has(port)).map(([port]) => port);
  const rest = catchAllChains({ mode: mtls.mode, settings });
  return defined<ListenerJson>({
    name: virtualInboundListenerName,
    address: socketAddress("0.0.0.0", inboundCapturePort),
    trafficDirection: "INBOUND",
    listenerFilters: listenerFilters(inbound),
    listenerFiltersTimeout: protoDuration(settings.protocolDetectionTimeout),
    continueOnListenerFiltersTimeout: true,
    filterChains: [
      {
        // A connection to the port itself was never captured: passing it through would come back here for ever.
        name: "virtualInbound-blackhole",
        filterChainMatch: { destinationPort: inboundCapturePort },
        filters: [tcpProxyFilter({ cluster: blackHoleClusterName, settings, inbound: { service: refusedService, isMutual: false } })],
      },
      ...ports.flatMap((port) => portChains({ inbound: port, mode: mtlsModeOf(mtls, port.port), settings })),
      ...undeclared.flatMap((port) => {
        const { chains, rest: last } = catchAllChains({ mode: mtlsModeOf(mtls, port), settings, port });
        return [...chains, last];
      }),
      ...rest.chains,
    ],
    defaultFilterChain: rest.rest,
    accessLog: handshakeFailureLog(settings, "inbound"),
  });
}

/**
 * TLS is looked for everywhere but on ports that never have any and whose servers may speak first, HTTP where it isn't declared. Each waits
 * for the client's first bytes, at most the detection timeout; a sidecar's client always sends them at once.
 */
function listenerFilters({ ports, mtls }: InboundListener): ListenerFilterJson[] {
  const speaksHttp = new Set(ports.filter(({ servicePort }) => isHttp(servicePort.protocol)).map(({ port }) => port));
  const own = [...new Set([...ports.map(({ port }) => port), ...mtls.ports.keys()])].sort((a, b) => a - b);
  const silent = own.filter((port) => mtlsModeOf(mtls, port) === "DISABLE" && !speaksHttp.has(port));
  const read = own.filter((port) => !silent.includes(port));
  const tls = mtls.mode !== "DISABLE" ? [tlsInspectorOn({ except: silent })] : read.length === 0 ? [] : [tlsInspectorOn({ only: read })];
  const detected = ports.filter(({ servicePort }) => servicePort.protocol === "detect").map(({ port }) => port);
  return [originalDestination, ...tls, ...(detected.length > 0 ? [httpInspector(detected)] : [])];
}
