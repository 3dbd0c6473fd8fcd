// ServiceEntry (networking.istio.io): schema and types. Parsed manifests come in, the model reads what comes out.
// Field lists follow istio/api networking/v1alpha3/{service_entry,workload_entry}.proto; checks are in service-entry-checks.ts.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { anyStatus, port, stringList, stringMap, uint32 } from "../scalars.ts";

export const workloadEntrySpec = z.strictObject({
  /** IP address, DNS name, or unix:// path. */
  address: z.string().default(""),
  /** Endpoint port by service port name. */
  ports: z.record(z.string(), port).default({}),
  labels: stringMap,
  network: z.string().optional(),
  locality: z.string().optional(),
  /** Relative load-balancing weight; 1 when unset. */
  weight: uint32.optional(),
  serviceAccount: z.string().optional(),
});

const serviceEntryPort = z.strictObject({
  number: port,
  /** HTTP, HTTPS, GRPC, HTTP2, MONGO, TCP or TLS; TCP when unset. */
  protocol: z.string().optional(),
  name: z.string(),
  /** The service port when unset. */
  targetPort: uint32.optional(),
});

export const serviceEntrySchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("ServiceEntry"),
  metadata: namespacedMetaSchema,
  spec: z.strictObject({
    hosts: z.array(z.string()),
    /** Virtual addresses or CIDR ranges. */
    addresses: stringList,
    ports: z.array(serviceEntryPort).default([]),
    /** MESH_EXTERNAL when unset (proto3's zero value). */
    location: z.enum(["MESH_EXTERNAL", "MESH_INTERNAL"]).default("MESH_EXTERNAL"),
    /** NONE when unset (proto3's zero value). */
    resolution: z.enum(["NONE", "STATIC", "DNS", "DNS_ROUND_ROBIN", "DYNAMIC_DNS"]).default("NONE"),
    endpoints: z.array(workloadEntrySpec).default([]),
    workloadSelector: z.strictObject({ labels: stringMap }).optional(),
    /** `.`, `*` or namespaces; empty means everywhere. */
    exportTo: stringList,
    subjectAltNames: stringList,
  }),
  status: anyStatus,
});

export type ServiceEntry = z.output<typeof serviceEntrySchema>;
export type ServiceEntryPort = z.output<typeof serviceEntryPort>;
export type WorkloadEntrySpec = z.output<typeof workloadEntrySpec>;
