// From where keys may be fetched although it is no public address: an annotation of the ConfigMap that holds the MeshConfig. Who may write that
// owns the mesh; who writes a RequestAuthentication does not.

import type { Diagnostic } from "../diagnostic.ts";
import { diagnosticOf } from "../finding.ts";
import { isIpOrCidr } from "../ip.ts";
import type { ConfigMap } from "../kubernetes/config-map.ts";
import { isDnsSubdomain } from "../names.ts";
import { resourceName } from "../resource.ts";

/** "keys.shop.example, *.internal.example, 10.1.0.0/16": host names, wildcards of them, addresses and ranges, with commas between. */
export const fetchAllowanceAnnotation = "lateen.dev/fetch-keys-from";

export interface FetchAllowance {
  /** In lower case; "*.a.example" is every name below a.example. */
  readonly hosts: readonly string[];
  readonly ranges: readonly string[];
}

export const nothingAllowed: FetchAllowance = { hosts: [], ranges: [] };

export interface FetchAllowanceResult {
  /** What could be read. */
  readonly value: FetchAllowance;
  readonly diagnostics: readonly Diagnostic[];
}

/** Reads the annotation of the MeshConfig's ConfigMap; entries that are wrong allow nothing. */
export function parseFetchAllowance(configMap: ConfigMap | undefined): FetchAllowanceResult {
  const text = configMap?.metadata.annotations[fetchAllowanceAnnotation];
  if (configMap === undefined || text === undefined) return { value: nothingAllowed, diagnostics: [] };
  const entries = text
    .split(",")
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== "");
  const ranges = entries.filter(isIpOrCidr);
  const hosts = entries.filter((entry) => !isIpOrCidr(entry) && isHost(entry));
  const wrong = entries.filter((entry) => !isIpOrCidr(entry) && !isHost(entry));
  const diagnostics = wrong.map((entry) =>
    diagnosticOf(
      {
        code: "LTN0901",
        path: ["metadata", "annotations", fetchAllowanceAnnotation],
        message: `${JSON.stringify(entry.slice(0, 80))} is no host name, address or range`,
        fix: 'Write for example "keys.shop.example, *.internal.example, 10.1.0.0/16".',
      },
      resourceName(configMap),
    ),
  );
  return { value: { hosts, ranges }, diagnostics };
}

function isHost(text: string): boolean {
  return isDnsSubdomain(text.startsWith("*.") ? text.slice(2) : text);
}
