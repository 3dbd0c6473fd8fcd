// MeshSettings from a MeshConfig: what is unset keeps its default.

import type { MeshConfig } from "../api/mesh-config.ts";
import { defaultMeshSettings, type MeshSettings, type PathNormalization, type TlsParameters } from "./mesh.ts";
import { telemetrySettingsOf } from "./telemetry-settings.ts";

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
    accessLogEncoding: config.accessLogEncoding ?? standard.accessLogEncoding,
    telemetry: telemetrySettingsOf(config),
    numTrustedProxies: config.defaultConfig?.gatewayTopology?.numTrustedProxies ?? standard.numTrustedProxies,
    trustDomain: config.trustDomain ?? standard.trustDomain,
    trustDomainAliases: config.trustDomainAliases ?? standard.trustDomainAliases,
    enableAutoMtls: config.enableAutoMtls ?? standard.enableAutoMtls,
    meshTls: tlsParametersOf(config.meshMTLS, standard.meshTls),
    tlsDefaults: tlsParametersOf(config.tlsDefaults, standard.tlsDefaults),
    standInHosts: standard.standInHosts,
    pathNormalization: pathNormalizationOf(config),
  };
}

function tlsParametersOf(given: MeshConfig["meshMTLS"], standard: TlsParameters): TlsParameters {
  const { minProtocolVersion = "TLS_AUTO", cipherSuites, ecdhCurves } = given ?? {};
  return {
    minProtocolVersion: minProtocolVersion === "TLS_AUTO" ? standard.minProtocolVersion : minProtocolVersion,
    cipherSuites: cipherSuites ?? standard.cipherSuites,
    ecdhCurves: ecdhCurves ?? standard.ecdhCurves,
  };
}

function pathNormalizationOf({ pathNormalization }: MeshConfig): PathNormalization {
  const given = pathNormalization?.normalization ?? "DEFAULT";
  return given === "DEFAULT" ? defaultMeshSettings.pathNormalization : given;
}
