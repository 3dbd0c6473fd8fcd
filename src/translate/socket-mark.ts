// The marks by which the pod's packet rules know a proxy's own connections (SO_MARK on Envoy's upstream sockets).
// The rules themselves are in platform/local; the two-mark rule is explained there.

import type { BindConfigJson } from "#envoy/envoy/config/core/v3/address_pb.js";

/** Connections of the proxy to other pods and the world: not captured on the way out. */
export const proxyMark = 0x539;
/** Connections of the proxy to its own application: captured neither on the way out nor on the way in. */
export const deliveryMark = 0x53a;

const socketLevel = "1";
/** SO_MARK of Linux. */
const socketMark = "36";

/** Upstream bind configuration that marks every connection; no source address, so the kernel chooses one. */
export function bindConfig(mark: number): BindConfigJson {
  return {
    socketOptions: [{ description: "lateen", level: socketLevel, name: socketMark, intValue: `${mark}`, state: "STATE_PREBIND" }],
  };
}
