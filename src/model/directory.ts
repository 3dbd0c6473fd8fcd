// Services, DestinationRules and releases → what a client looks services up in.

import type { DestinationRule } from "../api/networking/destination-rule.ts";
import type { Directory } from "./client.ts";
import type { PolicyLookup } from "./destinations.ts";
import { policyLookup } from "./destinations.ts";
import type { MeshService, MeshSettings } from "./mesh.ts";
import type { ReleaseStructure } from "./releases/release-route.ts";
import { releaseSubsets } from "./releases/release-subsets.ts";
import { hostKey } from "./virtual-addresses.ts";
import { byAge, namespaceView } from "./visibility.ts";

/** The services of a mesh with what is written and released of each; anew for each change of its arguments. */
export function directoryOf(
  services: ReadonlyMap<string, MeshService>,
  rules: readonly DestinationRule[],
  settings: MeshSettings,
  releases: ReadonlyMap<string, ReleaseStructure>,
): Directory {
  const hosts = new Set([...services.values()].map(({ hostname }) => hostname));
  const exists = (host: string) => hosts.has(host);
  const views = new Map<string, ReturnType<typeof namespaceView>>();
  const written = policyLookup({ rules: byAge(rules), exists, rootNamespace: settings.rootNamespace });
  return {
    settings,
    services,
    exists,
    policies: releases.size === 0 ? written : dividedPolicies(written, releases),
    releases,
    releaseSubsets: (client, service, release) => releaseSubsets(written(client, service), release),
    view: (namespace) => {
      const view = views.get(namespace) ?? namespaceView(services, namespace);
      views.set(namespace, view);
      return view;
    },
  };
}

/** What DestinationRules say, with the subsets that releases divide their services by. */
function dividedPolicies(written: PolicyLookup, releases: ReadonlyMap<string, ReleaseStructure>): PolicyLookup {
  return (client, service) => {
    const policy = written(client, service);
    const release = releases.get(hostKey(service.namespace, service.hostname));
    return release === undefined ? policy : releaseSubsets(policy, release).policy;
  };
}
