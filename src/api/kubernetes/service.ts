// Service (core v1): a name and virtual address for the pods its selector picks.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { accepted, intOrString, port, stringList, stringMap } from "../scalars.ts";

const servicePort = z
  .strictObject({
    /** Needed when there are several; its prefix before "-" names the protocol, unless appProtocol does. */
    name: z.string().default(""),
    port,
    /** Number, or name of a container port; the same as `port` when unset (core/v1 ServicePort). */
    targetPort: intOrString.optional(),
    protocol: z.enum(["TCP", "UDP", "SCTP"]).default("TCP"),
    appProtocol: z.string().optional(),
    nodePort: z.number().int().optional(),
  })
  .transform((servicePort) => ({ ...servicePort, targetPort: servicePort.targetPort ?? servicePort.port }));

export const serviceSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("Service"),
  metadata: namespacedMetaSchema,
  spec: z.strictObject({
    type: z.enum(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"]).default("ClusterIP"),
    /** Labels of the pods behind it; empty means endpoints come from elsewhere. */
    selector: stringMap,
    ports: z.array(servicePort).default([]),
    /** Given by the control plane; "None" makes it headless. */
    clusterIP: z.string().optional(),
    clusterIPs: stringList,
    externalName: z.string().optional(),
    publishNotReadyAddresses: z.boolean().default(false),
    allocateLoadBalancerNodePorts: accepted,
    externalIPs: accepted,
    externalTrafficPolicy: accepted,
    healthCheckNodePort: accepted,
    internalTrafficPolicy: accepted,
    ipFamilies: accepted,
    ipFamilyPolicy: accepted,
    loadBalancerClass: accepted,
    loadBalancerIP: accepted,
    loadBalancerSourceRanges: accepted,
    sessionAffinity: accepted,
    sessionAffinityConfig: accepted,
    trafficDistribution: accepted,
  }),
  status: z.object({ loadBalancer: z.unknown().optional() }).optional(),
});

export type Service = z.output<typeof serviceSchema>;
export type ServicePort = z.output<typeof servicePort>;
