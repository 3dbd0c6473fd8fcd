// Joins the taps to the parts of the control plane: what proxies report comes in, which proxies should report goes out.

import { tapLogName } from "../../../telemetry/tap-record.ts";
import type { AdsServer } from "../../../xds/ads-server.ts";
import type { MeshEngine } from "../../mesh-engine.ts";
import type { MeshTelemetry } from "../mesh-telemetry.ts";
import { Taps } from "./taps.ts";

/** The taps; `later` is asked only once somebody watches or a proxy reports. */
export function openTaps(
  telemetry: Pick<MeshTelemetry, "onLog" | "nowMs">,
  later: () => { readonly engine: MeshEngine; readonly ads: AdsServer },
): Taps {
  const taps = new Taps({
    mesh: () => later().engine.mesh,
    tap: (percentByProxy) => later().engine.tap(percentByProxy),
    isCurrent: (proxyId) => later().ads.isConnected(proxyId) && later().ads.isCurrent(proxyId),
    nowMs: () => telemetry.nowMs(),
  });
  telemetry.onLog(tapLogName, (proxyId, records) => taps.take(proxyId, records));
  return taps;
}
