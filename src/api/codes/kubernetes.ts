// Rows of the table in ../codes.ts.

import { type CodeEntry, error } from "../code-entry.ts";

/** LTN06xx: one object of Kubernetes by itself. */
export const kubernetesCodes = {
  LTN0601: error("no containers", "A pod runs at least one container.", "Add a container."),
  LTN0602: error("name twice", "Names of containers, volumes and ports are unique in a pod.", "Rename one of them."),
  LTN0603: error("unknown volume", "A mount names a volume that the pod doesn't have.", "Add the volume to spec.volumes."),
  LTN0604: error("restartPolicy", "Pods of a Deployment always restart.", "Remove restartPolicy."),
  LTN0605: error(
    "invalid probe",
    "A probe has exactly one handler, and numbers that let it end.",
    "Give exactly one of httpGet, tcpSocket, exec, grpc.",
  ),
  LTN0606: error("selector misses template", "A Deployment must own the pods it makes.", "Give selector and template the same labels."),
  LTN0607: error(
    "invalid strategy",
    "The update could never begin, or the strategy doesn't have this setting.",
    "Set maxSurge or maxUnavailable above 0.",
  ),
  LTN0608: error("invalid service ports", "Ports of a Service are told apart by name and number.", "Name every port, uniquely."),
  LTN0609: error("invalid endpoint address", "The address is not of the slice's addressType.", "Correct addressType or the address."),
  LTN0610: error("key twice", "A key of a ConfigMap stands in data or binaryData, not both.", "Keep one of them."),
  LTN0611: error(
    "not base64",
    "Values of data (Secret) and binaryData are base64.",
    "Encode it, or use stringData (Secret) or data (ConfigMap).",
  ),
  LTN0612: error(
    "invalid hostPath",
    "A hostPath volume is an absolute path of this machine, without '..'.",
    "Write the path in full, for example /srv/data.",
  ),
} as const satisfies Readonly<Record<string, CodeEntry>>;
