// PodSpec and PodTemplateSpec of Kubernetes, shared by Pod, Deployment and ReplicaSet.
// What stands here as `accepted` is the rest of PodSpec's usual field list; kinds.ts says which of it yields a warning.

import { z } from "zod";
import { accepted, stringMap, uint32 } from "../scalars.ts";
import { container } from "./container.ts";

const keyToPath = z.strictObject({ key: z.string(), path: z.string(), mode: uint32.optional() });

const volume = z.strictObject({
  name: z.string(),
  configMap: z
    .strictObject({
      name: z.string().default(""),
      items: z.array(keyToPath).default([]),
      defaultMode: uint32.optional(),
      optional: z.boolean().default(false),
    })
    .optional(),
  secret: z
    .strictObject({
      secretName: z.string().default(""),
      items: z.array(keyToPath).default([]),
      defaultMode: uint32.optional(),
      optional: z.boolean().default(false),
    })
    .optional(),
  emptyDir: z.strictObject({ medium: z.string().optional(), sizeLimit: z.union([z.string(), z.number()]).optional() }).optional(),
  hostPath: z.strictObject({ path: z.string(), type: z.string().optional() }).optional(),
  persistentVolumeClaim: accepted,
  projected: accepted,
  downwardAPI: accepted,
  ephemeral: accepted,
  csi: accepted,
  nfs: accepted,
  iscsi: accepted,
  fc: accepted,
  flexVolume: accepted,
  image: accepted,
});

export const podSpec = z.strictObject({
  containers: z.array(container),
  initContainers: z.array(container).default([]),
  volumes: z.array(volume).default([]),
  restartPolicy: z.enum(["Always", "OnFailure", "Never"]).default("Always"),
  /** Default 30 (PodSpec.terminationGracePeriodSeconds). */
  terminationGracePeriodSeconds: uint32.default(30),
  serviceAccountName: z.string().default("default"),
  /** Deprecated alias of serviceAccountName. */
  serviceAccount: z.string().optional(),
  nodeName: z.string().optional(),
  hostname: z.string().optional(),
  subdomain: z.string().optional(),
  activeDeadlineSeconds: accepted,
  affinity: accepted,
  automountServiceAccountToken: accepted,
  dnsConfig: accepted,
  dnsPolicy: accepted,
  enableServiceLinks: accepted,
  ephemeralContainers: accepted,
  hostAliases: accepted,
  hostIPC: accepted,
  hostNetwork: accepted,
  hostPID: accepted,
  hostUsers: accepted,
  hostnameOverride: accepted,
  imagePullSecrets: accepted,
  nodeSelector: accepted,
  os: accepted,
  overhead: accepted,
  preemptionPolicy: accepted,
  priority: accepted,
  priorityClassName: accepted,
  readinessGates: accepted,
  resourceClaims: accepted,
  resources: accepted,
  runtimeClassName: accepted,
  schedulerName: accepted,
  schedulingGates: accepted,
  securityContext: accepted,
  setHostnameAsFQDN: accepted,
  shareProcessNamespace: accepted,
  tolerations: accepted,
  topologySpreadConstraints: accepted,
});

/** Metadata of a pod template; name and namespace come from whoever makes the pod. */
const templateMeta = z.object({ labels: stringMap, annotations: stringMap });

export const podTemplateSpec = z.strictObject({
  metadata: templateMeta.default({ labels: {}, annotations: {} }),
  spec: podSpec,
});

export type PodSpec = z.output<typeof podSpec>;
export type PodTemplateSpec = z.output<typeof podTemplateSpec>;
export type Volume = z.output<typeof volume>;
export type KeyToPath = z.output<typeof keyToPath>;
