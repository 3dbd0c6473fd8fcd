// Checks across resources: a snapshot comes in, diagnostics come out. Single resources were checked when they were parsed.

import type { Diagnostic } from "../api/diagnostic.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { compare } from "../model/visibility.ts";
import { checkDestinations } from "./destinations.ts";
import { type Directory, directoryOf } from "./directory.ts";
import { checkGatewayFiles, checkGatewayPods, checkGatewayPorts, checkGatewayReferences, checkGatewayServerNames } from "./gateways.ts";
import { checkMeshHosts } from "./mesh-hosts.ts";
import { checkPortProtocols } from "./port-protocols.ts";
import {
  checkFlagKeys,
  checkReleaseFlags,
  checkReleaseServices,
  checkReleaseVersions,
  checkSteering,
  checkSuperseded,
} from "./releases.ts";
import { checkHostRivals, checkSubsetRivals, checkVirtualServiceRivals } from "./rivals.ts";
import { checkMtls } from "./security/mtls.ts";
import { checkPolicyRules } from "./security/policy-rules.ts";
import { checkSelections } from "./security/selections.ts";
import { checkTokenPorts } from "./security/undeclared-ports.ts";
import { checkServices, checkSubsets } from "./subsets.ts";
import { checkTelemetryProviders, checkTelemetrySelections } from "./telemetry.ts";
import { checkClaimRoutes, checkKeySources, checkRequiredTokens } from "./tokens.ts";
import { checkUnnamedServers } from "./unnamed-servers.ts";

const checks: readonly ((directory: Directory) => readonly Diagnostic[])[] = [
  checkDestinations,
  checkSubsets,
  checkServices,
  checkVirtualServiceRivals,
  checkSubsetRivals,
  checkHostRivals,
  checkGatewayReferences,
  checkGatewayPods,
  checkGatewayPorts,
  checkGatewayServerNames,
  checkGatewayFiles,
  checkMeshHosts,
  checkPortProtocols,
  checkUnnamedServers,
  checkRequiredTokens,
  checkKeySources,
  checkClaimRoutes,
  checkTokenPorts,
  checkSelections,
  checkMtls,
  checkPolicyRules,
  checkTelemetryProviders,
  checkTelemetrySelections,
  checkReleaseServices,
  checkReleaseVersions,
  checkReleaseFlags,
  checkFlagKeys,
  checkSuperseded,
  checkSteering,
];

const rank = { error: 0, warning: 1, info: 2 } as const;

/** Everything that is wrong between resources, errors first, then by resource, path and code. */
export function analyze(snapshot: Snapshot): readonly Diagnostic[] {
  const directory = directoryOf(snapshot);
  return checks
    .flatMap((check) => check(directory))
    .toSorted(
      (a, b) =>
        rank[a.severity] - rank[b.severity] ||
        compare(a.resource, b.resource) ||
        compare(a.path, b.path) ||
        compare(a.code, b.code) ||
        compare(a.message, b.message),
    );
}
