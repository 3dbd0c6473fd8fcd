// Where VirtualServices send traffic: the host exists, has the port, and a DestinationRule defines the subset.

import type { Diagnostic } from "../api/diagnostic.ts";
import { diagnosticOf } from "../api/finding.ts";
import { type DestinationUse, destinationsOf } from "../api/networking/destinations.ts";
import type { VirtualService } from "../api/networking/virtual-service.ts";
import { closest } from "../api/suggest.ts";
import { isExportedTo } from "../model/visibility.ts";
import { type Directory, knownHosts, nameOf, shortHost } from "./directory.ts";

/** Unknown hosts, ports and subsets of all destinations, mirrors included. */
export function checkDestinations(directory: Directory): readonly Diagnostic[] {
  return directory.virtualServices.flatMap((virtualService) =>
    [...destinationsOf(virtualService)].flatMap((use) => checkUse(directory, virtualService, use)),
  );
}

function checkUse(directory: Directory, virtualService: VirtualService, use: DestinationUse): readonly Diagnostic[] {
  const { namespace } = virtualService.metadata;
  const resource = nameOf("VirtualService", virtualService.metadata);
  const host = directory.resolve(use.destination.host, namespace);
  const known = knownHosts(directory, host);
  if (known.length === 0) {
    const message = `no Service or ServiceEntry has the host "${use.destination.host}"${host === use.destination.host ? "" : ` (${host})`}`;
    return [diagnosticOf({ code: "LTN0701", path: [...use.path, "host"], message, ...fixOf(directory, host, namespace) }, resource)];
  }
  const ports = known.flatMap((entry) => entry.ports);
  const port = use.destination.port?.number;
  const unknownPort =
    port === undefined || ports.includes(port)
      ? []
      : [
          diagnosticOf(
            {
              code: "LTN0710",
              path: [...use.path, "port"],
              message: `${known[0]?.source ?? host} has no port ${port}`,
              fix: `Use port ${[...new Set(ports)].join(" or ")}.`,
            },
            resource,
          ),
        ];
  return [...unknownPort, ...checkSubset(directory, { host, use, namespace, resource })];
}

function fixOf(directory: Directory, host: string, namespace: string): { readonly fix?: string } {
  const suggestion = closest(
    shortHost(host, namespace),
    [...directory.hosts.keys()].map((candidate) => shortHost(candidate, namespace)),
  );
  return suggestion === undefined ? {} : { fix: `Did you mean "${suggestion}"? Else add a Service or ServiceEntry with this host.` };
}

interface SubsetUse {
  readonly host: string;
  readonly use: DestinationUse;
  readonly namespace: string;
  readonly resource: string;
}

function checkSubset(directory: Directory, { host, use, namespace, resource }: SubsetUse): readonly Diagnostic[] {
  const { subset } = use.destination;
  if (subset === undefined) return [];
  const rules = (directory.rulesByHost.get(host) ?? []).filter((rule) => isExportedTo(rule, namespace));
  const defined = rules.flatMap(({ spec }) => spec.subsets.map(({ name }) => name));
  if (defined.includes(subset)) return [];
  const path = [...use.path, "subset"];
  const rule = rules[0];
  if (rule === undefined) {
    const message = `the subset "${subset}" of "${use.destination.host}" is defined nowhere: there is no DestinationRule for ${host}`;
    return [
      diagnosticOf({ code: "LTN0702", path, message, fix: `Add a DestinationRule for ${host} with a subset "${subset}".` }, resource),
    ];
  }
  const owner = nameOf("DestinationRule", rule.metadata);
  const suggestion = closest(subset, defined);
  const message = `${owner} has no subset "${subset}"; it has ${defined.join(", ") || "none"}`;
  const fix = `${suggestion === undefined ? "" : `Write "${suggestion}", or add`}${suggestion === undefined ? "Add" : ""} "${subset}" to spec.subsets of ${owner}.`;
  return [diagnosticOf({ code: "LTN0702", path, message, fix }, resource)];
}
