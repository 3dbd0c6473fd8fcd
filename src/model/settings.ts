// MeshSettings from a MeshConfig: what is unset keeps its default.

import type { MeshConfig } from "../api/mesh-config.ts";
import { defaultMeshSettings, type MeshSettings } from "./mesh.ts";

/** The settings a MeshConfig asks for. */
export function meshSettingsOf(config: MeshConfig): MeshSettings {
  const standard = defaultMeshSettings;
  const retry = config.defaultHttpRetryPolicy;
  return {
    rootNamespace: config.rootNamespace ?? standard.rootNamespace,
    outboundTrafficPolicy: config.outboundTrafficPolicy?.mode ?? standard.outboundTrafficPolicy,
    defaultHttpRetryPolicy:
      retry === undefined
        ? standard.defaultHttpRetryPolicy
        : {
            ...standard.defaultHttpRetryPolicy,
            attempts: retry.attempts,
            ...(retry.retryOn === undefined ? {} : { retryOn: retry.retryOn }),
          },
    connectTimeout: config.connectTimeout ?? standard.connectTimeout,
    protocolDetectionTimeout: config.protocolDetectionTimeout ?? standard.protocolDetectionTimeout,
    accessLogFile: config.accessLogFile ?? standard.accessLogFile,
    accessLogFormat: config.accessLogFormat ?? standard.accessLogFormat,
    numTrustedProxies: config.defaultConfig?.gatewayTopology?.numTrustedProxies ?? standard.numTrustedProxies,
  };
}
