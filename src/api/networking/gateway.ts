// Gateway (networking.istio.io): schema and types. Parsed manifests come in, the model reads what comes out.
// Field lists follow istio/api networking/v1alpha3/gateway.proto; checks are in gateway-checks.ts.

import { z } from "zod";
import { namespacedMetaSchema } from "../resource.ts";
import { anyStatus, port, stringList, stringMap, uint32 } from "../scalars.ts";

const tlsProtocol = z.enum(["TLS_AUTO", "TLSV1_0", "TLSV1_1", "TLSV1_2", "TLSV1_3"]);

const serverTls = z.strictObject({
  httpsRedirect: z.boolean().optional(),
  /** PASSTHROUGH when unset (proto3's zero value). */
  mode: z.enum(["PASSTHROUGH", "SIMPLE", "MUTUAL", "AUTO_PASSTHROUGH", "ISTIO_MUTUAL", "OPTIONAL_MUTUAL"]).optional(),
  serverCertificate: z.string().optional(),
  privateKey: z.string().optional(),
  caCertificates: z.string().optional(),
  caCrl: z.string().optional(),
  credentialName: z.string().optional(),
  credentialNames: stringList,
  caCertCredentialName: z.string().optional(),
  tlsCertificates: z
    .array(
      z.strictObject({
        serverCertificate: z.string().optional(),
        privateKey: z.string().optional(),
        caCertificates: z.string().optional(),
      }),
    )
    .default([]),
  subjectAltNames: stringList,
  verifyCertificateSpki: stringList,
  verifyCertificateHash: stringList,
  /** TLSV1_2 when unset. */
  minProtocolVersion: tlsProtocol.optional(),
  maxProtocolVersion: tlsProtocol.optional(),
  cipherSuites: stringList,
  insecureSkipVerify: z.boolean().optional(),
});

const serverPort = z.strictObject({
  number: port,
  /** HTTP, HTTPS, GRPC, GRPC-WEB, HTTP2, MONGO, TCP or TLS; upper or lower case. */
  protocol: z.string(),
  name: z.string(),
  /** Deprecated; without effect in Istio too. */
  targetPort: uint32.optional(),
});

const server = z.strictObject({
  port: serverPort,
  bind: z.string().optional(),
  /** `host`, `namespace/host`, `./host` or wildcards; the namespace limits whose VirtualServices may bind. */
  hosts: z.array(z.string()).default([]),
  tls: serverTls.optional(),
  defaultEndpoint: z.string().optional(),
  name: z.string().optional(),
});

export const gatewaySchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("Gateway"),
  metadata: namespacedMetaSchema,
  spec: z.strictObject({
    servers: z.array(server).default([]),
    /** Labels of the gateway pods; pods of every namespace. */
    selector: stringMap,
  }),
  status: anyStatus,
});

export type Gateway = z.output<typeof gatewaySchema>;
export type Server = z.output<typeof server>;
export type ServerPort = z.output<typeof serverPort>;
export type ServerTlsSettings = z.output<typeof serverTls>;
