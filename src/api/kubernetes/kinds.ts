// Kubernetes' kinds as declared to the registry: names, columns, and which fields nothing acts on yet.

import { defineKind } from "../kind.ts";
import { checkConfigMap, checkSecret } from "./config-checks.ts";
import { configMapSchema } from "./config-map.ts";
import { deploymentSchema } from "./deployment.ts";
import { endpointSliceSchema } from "./endpoint-slice.ts";
import { eventSchema } from "./event.ts";
import { namespaceSchema } from "./namespace.ts";
import { podSchema } from "./pod.ts";
import { checkPod } from "./pod-checks.ts";
import { podNotYet, podTemplateNotYet } from "./pod-not-yet.ts";
import { replicaSetSchema } from "./replica-set.ts";
import { secretSchema } from "./secret.ts";
import { serviceSchema } from "./service.ts";
import { serviceAccountSchema } from "./service-account.ts";
import { checkEndpointSlice, checkService } from "./service-checks.ts";
import { checkDeployment, checkReplicaSet } from "./workload-checks.ts";

const core = { group: "", versions: ["v1"] } as const;
const apps = { group: "apps", versions: ["v1"] } as const;

export const kubernetesKinds = {
  Namespace: defineKind({
    ...core,
    kind: "Namespace",
    plural: "namespaces",
    nameRule: "label",
    singular: "namespace",
    shortNames: ["ns"],
    namespaced: false,
    schema: namespaceSchema,
    check: () => [],
    columns: [{ name: "Status", path: "status.phase" }],
    notYet: [],
  }),
  Pod: defineKind({
    ...core,
    kind: "Pod",
    plural: "pods",
    singular: "pod",
    shortNames: ["po"],
    namespaced: true,
    schema: podSchema,
    check: checkPod,
    columns: [
      { name: "Status", path: "status.phase" },
      { name: "IP", path: "status.podIP" },
    ],
    notYet: podNotYet,
  }),
  Deployment: defineKind({
    ...apps,
    kind: "Deployment",
    plural: "deployments",
    singular: "deployment",
    shortNames: ["deploy"],
    namespaced: true,
    schema: deploymentSchema,
    check: checkDeployment,
    columns: [
      { name: "Ready", path: "status.readyReplicas" },
      { name: "Up-to-date", path: "status.updatedReplicas" },
      { name: "Available", path: "status.availableReplicas" },
    ],
    notYet: podTemplateNotYet,
  }),
  ReplicaSet: defineKind({
    ...apps,
    kind: "ReplicaSet",
    plural: "replicasets",
    singular: "replicaset",
    shortNames: ["rs"],
    namespaced: true,
    schema: replicaSetSchema,
    check: checkReplicaSet,
    columns: [
      { name: "Desired", path: "spec.replicas" },
      { name: "Ready", path: "status.readyReplicas" },
    ],
    notYet: podTemplateNotYet,
  }),
  Service: defineKind({
    ...core,
    kind: "Service",
    plural: "services",
    nameRule: "labelWithLetter",
    singular: "service",
    shortNames: ["svc"],
    namespaced: true,
    schema: serviceSchema,
    check: checkService,
    columns: [
      { name: "Type", path: "spec.type" },
      { name: "Cluster-IP", path: "spec.clusterIP" },
    ],
    notYet: [
      "spec.type=ExternalName",
      "spec.externalName",
      "spec.externalIPs",
      "spec.externalTrafficPolicy!=Cluster",
      "spec.internalTrafficPolicy!=Cluster",
      "spec.ipFamilyPolicy!=SingleStack",
      "spec.loadBalancerClass",
      "spec.loadBalancerIP",
      "spec.loadBalancerSourceRanges",
      "spec.sessionAffinity!=None",
      "spec.sessionAffinityConfig",
      "spec.trafficDistribution",
      "spec.ports[].nodePort",
    ],
  }),
  EndpointSlice: defineKind({
    group: "discovery.k8s.io",
    versions: ["v1"],
    kind: "EndpointSlice",
    plural: "endpointslices",
    singular: "endpointslice",
    shortNames: [],
    namespaced: true,
    schema: endpointSliceSchema,
    check: checkEndpointSlice,
    columns: [{ name: "AddressType", path: "addressType" }],
    notYet: ["endpoints[].hints"],
  }),
  Event: defineKind({
    ...core,
    kind: "Event",
    plural: "events",
    singular: "event",
    shortNames: ["ev"],
    namespaced: true,
    schema: eventSchema,
    check: () => [],
    columns: [
      { name: "Last Seen", path: "lastTimestamp" },
      { name: "Type", path: "type" },
      { name: "Reason", path: "reason" },
      { name: "Object", path: "involvedObject.name" },
      { name: "Message", path: "message" },
    ],
    notYet: [],
  }),
  ConfigMap: defineKind({
    ...core,
    kind: "ConfigMap",
    plural: "configmaps",
    singular: "configmap",
    shortNames: ["cm"],
    namespaced: true,
    schema: configMapSchema,
    check: checkConfigMap,
    columns: [],
    notYet: ["immutable"],
  }),
  Secret: defineKind({
    ...core,
    kind: "Secret",
    plural: "secrets",
    singular: "secret",
    shortNames: [],
    namespaced: true,
    schema: secretSchema,
    check: checkSecret,
    columns: [{ name: "Type", path: "type" }],
    notYet: ["immutable"],
  }),
  ServiceAccount: defineKind({
    ...core,
    kind: "ServiceAccount",
    plural: "serviceaccounts",
    singular: "serviceaccount",
    shortNames: ["sa"],
    namespaced: true,
    schema: serviceAccountSchema,
    check: () => [],
    columns: [],
    notYet: ["imagePullSecrets", "secrets"],
  }),
};
