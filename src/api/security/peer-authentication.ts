// PeerAuthentication (security.istio.io): schema, types and checks. Says which connections a workload accepts: plaintext, mutual TLS, or both.
// Fields follow istio/api security/v1beta1/peer_authentication.proto.

import { z } from "zod";
import { printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { checkLabels } from "../names.ts";
import { namespacedMetaSchema } from "../resource.ts";
import { anyStatus } from "../scalars.ts";
import { workloadSelector } from "./selection.ts";

const mutualTls = z.strictObject({
  /** UNSET (proto3) inherits from the next wider policy. */
  mode: z.enum(["UNSET", "DISABLE", "PERMISSIVE", "STRICT"]).default("UNSET"),
});

export const peerAuthenticationSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("PeerAuthentication"),
  metadata: namespacedMetaSchema,
  spec: z
    .strictObject({
      selector: workloadSelector.optional(),
      mtls: mutualTls.optional(),
      /** By port of the application (not of the Service). */
      portLevelMtls: z.record(z.string(), mutualTls).default({}),
    })
    .default({ portLevelMtls: {} }),
  status: anyStatus,
});

export type PeerAuthentication = z.output<typeof peerAuthenticationSchema>;
export type MtlsMode = z.output<typeof mutualTls>["mode"];

/** All findings of one PeerAuthentication. */
export function checkPeerAuthentication({ spec }: PeerAuthentication): readonly Finding[] {
  const labels = spec.selector?.matchLabels ?? {};
  const at = ["spec", "portLevelMtls"];
  const ports = Object.keys(spec.portLevelMtls);
  const badPorts = ports
    .filter((port) => !/^[1-9]\d{0,4}$/.test(port) || Number(port) > 65_535)
    .map((port): Finding => {
      const path = [...at, port];
      return { code: "LTN0105", path, message: `\`${printPath(path)}\` is no port`, fix: "Use a port of 1 to 65535." };
    });
  const unselected: readonly Finding[] =
    ports.length > 0 && Object.keys(labels).length === 0
      ? [{ code: "LTN0807", path: at, message: "`spec.portLevelMtls` needs a selector: ports belong to workloads" }]
      : [];
  return [...checkLabels(labels, ["spec", "selector", "matchLabels"]), ...unselected, ...badPorts];
}
