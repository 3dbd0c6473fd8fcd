// Fields of pods that real manifests contain and the local runtime doesn't act on: each use yields one warning.

const containerFields = [
  "env[].valueFrom.resourceFieldRef",
  "env[].valueFrom.fileKeyRef",
  "imagePullPolicy",
  "lifecycle.postStart",
  "lifecycle.preStop",
  "lifecycle.stopSignal",
  "ports[].hostIP",
  "ports[].hostPort",
  "resizePolicy",
  "resources",
  "restartPolicy",
  "restartPolicyRules",
  "securityContext",
  "stdin",
  "stdinOnce",
  "terminationMessagePath!=/dev/termination-log",
  "terminationMessagePolicy!=File",
  "tty",
  "volumeDevices",
  "volumeMounts[].mountPropagation",
  "volumeMounts[].recursiveReadOnly",
  "volumeMounts[].subPathExpr",
] as const;

const podFields = [
  "activeDeadlineSeconds",
  "affinity",
  "automountServiceAccountToken=true",
  "dnsConfig",
  "dnsPolicy!=ClusterFirst",
  "ephemeralContainers",
  "hostAliases",
  "hostIPC",
  "hostNetwork",
  "hostPID",
  "hostUsers",
  "hostnameOverride",
  "imagePullSecrets",
  "nodeSelector",
  "os",
  "overhead",
  "preemptionPolicy!=PreemptLowerPriority",
  "priority",
  "priorityClassName",
  "readinessGates",
  "resourceClaims",
  "resources",
  "runtimeClassName",
  "schedulerName!=default-scheduler",
  "schedulingGates",
  "securityContext",
  "setHostnameAsFQDN",
  "shareProcessNamespace",
  "tolerations",
  "topologySpreadConstraints",
  "volumes[].configMap.defaultMode!=420",
  "volumes[].configMap.items[].mode",
  "volumes[].csi",
  "volumes[].downwardAPI",
  "volumes[].ephemeral",
  "volumes[].fc",
  "volumes[].flexVolume",
  "volumes[].image",
  "volumes[].iscsi",
  "volumes[].nfs",
  "volumes[].persistentVolumeClaim",
  "volumes[].projected",
  "volumes[].secret.defaultMode!=420",
  "volumes[].secret.items[].mode",
  "volumes[].emptyDir.sizeLimit",
  "volumes[].emptyDir.medium",
] as const;

function below(prefix: string, fields: readonly string[]): readonly string[] {
  return fields.map((field) => `${prefix}.${field}`);
}

/** Paths for Pod. */
export const podNotYet: readonly string[] = [
  ...below("spec.containers[]", containerFields),
  ...below("spec.initContainers[]", containerFields),
  ...below("spec", podFields),
];

/** The same for kinds with a pod template. */
export const podTemplateNotYet: readonly string[] = podNotYet.map((path) => `spec.template.${path}`);
