// Istio's networking kinds as declared to the registry: names, versions, columns, and which fields nothing acts on yet.

import { defineKind } from "../kind.ts";
import { destinationRuleSchema } from "./destination-rule.ts";
import { checkDestinationRule } from "./destination-rule-checks.ts";
import { gatewaySchema } from "./gateway.ts";
import { checkGateway } from "./gateway-checks.ts";
import { serviceEntrySchema } from "./service-entry.ts";
import { checkServiceEntry } from "./service-entry-checks.ts";
import { virtualServiceSchema } from "./virtual-service.ts";
import { checkVirtualService } from "./virtual-service-checks.ts";

const group = "networking.istio.io";
/** What Istio 1.31 ships: v1 stored, the older ones accepted with the same fields. */
const versions = ["v1", "v1beta1", "v1alpha3"] as const;

/** Of a traffic policy at any level, port level included. */
const settingsNotYet = [
  "loadBalancer.localityLbSetting",
  "loadBalancer.zoneAwareLbSetting",
  "outlierDetection.outlierDetectionHttpErrorCodes",
] as const;

const trafficPolicyNotYet = [
  ...settingsNotYet,
  "tunnel",
  "proxyProtocol",
  "retryBudget.budgetInterval",
  ...settingsNotYet.map((field) => `portLevelSettings[].${field}`),
];

export const networkingKinds = {
  VirtualService: defineKind({
    group,
    versions,
    kind: "VirtualService",
    plural: "virtualservices",
    singular: "virtualservice",
    shortNames: ["vs"],
    namespaced: true,
    schema: virtualServiceSchema,
    check: checkVirtualService,
    columns: [
      { name: "Gateways", path: "spec.gateways" },
      { name: "Hosts", path: "spec.hosts" },
    ],
    notYet: ["spec.http[].delegate", "spec.http[].fault.delay.exponentialDelay", "spec.http[].fault.abort.http2Error"],
  }),
  DestinationRule: defineKind({
    group,
    versions,
    kind: "DestinationRule",
    plural: "destinationrules",
    singular: "destinationrule",
    shortNames: ["dr"],
    namespaced: true,
    schema: destinationRuleSchema,
    check: checkDestinationRule,
    columns: [{ name: "Host", path: "spec.host" }],
    notYet: ["spec.trafficPolicy", "spec.subsets[].trafficPolicy"].flatMap((at) => trafficPolicyNotYet.map((field) => `${at}.${field}`)),
  }),
  Gateway: defineKind({
    group,
    versions,
    kind: "Gateway",
    plural: "gateways",
    singular: "gateway",
    shortNames: ["gw"],
    namespaced: true,
    schema: gatewaySchema,
    check: checkGateway,
    columns: [],
    notYet: ["spec.servers[].defaultEndpoint", "spec.servers[].port.targetPort", "spec.servers[].tls.mode=AUTO_PASSTHROUGH"],
  }),
  ServiceEntry: defineKind({
    group,
    versions,
    kind: "ServiceEntry",
    plural: "serviceentries",
    singular: "serviceentry",
    shortNames: ["se"],
    namespaced: true,
    schema: serviceEntrySchema,
    check: checkServiceEntry,
    columns: [
      { name: "Hosts", path: "spec.hosts" },
      { name: "Location", path: "spec.location" },
      { name: "Resolution", path: "spec.resolution" },
    ],
    notYet: ["spec.resolution=DYNAMIC_DNS", "spec.endpoints[].network", "spec.endpoints[].locality", "spec.endpoints[].serviceAccount"],
  }),
};
