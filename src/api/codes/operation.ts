// Rows of the table in ../codes.ts.

import { type CodeEntry, error, warning } from "../code-entry.ts";

/** LTN09xx and LTN10xx: project file, settings of the mesh, proxies, and credentials. */
export const operationCodes = {
  LTN0900: error("lateen.yaml", "The project file lateen.yaml has a mistake.", "Correct the field named."),
  LTN0901: error("mesh settings", "A setting of the mesh (MeshConfig) has a mistake.", "Correct the setting named."),
  LTN0902: warning(
    "mesh setting without effect",
    "A setting of the mesh (MeshConfig) is accepted, but nothing acts on it yet.",
    "Remove it, or don't rely on it here.",
  ),
  LTN0903: error(
    "refused by a proxy",
    "A proxy refused the configuration made of this object and keeps its last good one.",
    "Correct the object; the proxy's own words say what is wrong.",
  ),
  LTN0904: warning(
    "proxy at its limit of series",
    "A proxy counts as many series as it may. What it meets for the first time now (a new caller, version or response code) isn't counted.",
    "Find what makes so many: callers, hosts, response codes or flags; idle series make room by themselves.",
  ),
  LTN0905: warning(
    "series not kept",
    "There are more series, or TCP connections at once, than the control plane keeps: samples of the newest are missing, or releases don't judge them. Totals for Prometheus have all series.",
    "Run fewer workloads in one mesh, or find the pod that makes so many series or connections.",
  ),
  LTN0906: warning(
    "history shortened",
    "The samples needed more memory than they may have, so that the oldest were given up for all series alike.",
    "Nothing is wrong with what is shown; ask for shorter windows, or let a Prometheus keep the history.",
  ),
  LTN0907: warning(
    "report refused",
    "A proxy sent a report that can't be read, or more than a proxy may send; what it said isn't counted.",
    "Look at the pod: proxies send nothing of the kind by themselves.",
  ),
  LTN1001: error(
    "credential missing",
    "A Gateway or DestinationRule names a Secret that isn't there, or lacks what is needed of it, in the namespace of the proxy.",
    "Create the Secret in the namespace of the proxy.",
  ),
  LTN1002: error(
    "credential refused",
    "A Secret holds a certificate, key or CA that can't be used now. The last good one goes on serving, if there was one.",
    "Correct the Secret.",
  ),
  LTN1003: warning("certificate ends soon", "A certificate that is served expires soon.", "Renew the certificate."),
  LTN1004: warning(
    "certificate that clients may refuse",
    "A certificate is served, but something about it will make clients refuse it.",
    "Issue it anew.",
  ),
} as const satisfies Readonly<Record<string, CodeEntry>>;
