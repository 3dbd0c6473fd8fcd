// EndpointSlice (discovery.k8s.io/v1): the addresses behind a Service; made by our controller, read by the model.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { accepted, port } from "../scalars.ts";

const endpoint = z.strictObject({
  addresses: z.array(z.string()),
  conditions: z
    .strictObject({ ready: z.boolean().optional(), serving: z.boolean().optional(), terminating: z.boolean().optional() })
    .default({}),
  hostname: z.string().optional(),
  nodeName: z.string().optional(),
  zone: z.string().optional(),
  targetRef: z
    .object({ kind: z.string().optional(), namespace: z.string().optional(), name: z.string().optional(), uid: z.string().optional() })
    .optional(),
  hints: accepted,
  deprecatedTopology: accepted,
});

const endpointPort = z.strictObject({
  name: z.string().default(""),
  port: port.optional(),
  protocol: z.enum(["TCP", "UDP", "SCTP"]).default("TCP"),
  appProtocol: z.string().optional(),
});

export const endpointSliceSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("EndpointSlice"),
  /** The label kubernetes.io/service-name says whose endpoints these are. */
  metadata: namespacedMetaSchema,
  addressType: z.enum(["IPv4", "IPv6", "FQDN"]),
  endpoints: z.array(endpoint).default([]),
  ports: z.array(endpointPort).default([]),
});

export type EndpointSlice = z.output<typeof endpointSliceSchema>;
export type Endpoint = z.output<typeof endpoint>;
export type EndpointPort = z.output<typeof endpointPort>;

/** Label of an EndpointSlice that names its Service. */
export const serviceNameLabel = "kubernetes.io/service-name";
