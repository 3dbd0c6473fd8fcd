// Probe of Kubernetes: how the node asks a container whether it lives and whether it is ready.

import { z } from "zod";
import { intOrString, port, uint32 } from "../scalars.ts";

const httpHeader = z.strictObject({ name: z.string(), value: z.string().default("") });

export const httpGetAction = z.strictObject({
  path: z.string().default("/"),
  /** Number, or the name of a container port. */
  port: intOrString,
  host: z.string().optional(),
  scheme: z.enum(["HTTP", "HTTPS"]).default("HTTP"),
  httpHeaders: z.array(httpHeader).default([]),
});

export const tcpSocketAction = z.strictObject({ port: intOrString, host: z.string().optional() });

export const execAction = z.strictObject({ command: z.array(z.string()).default([]) });

/** Exactly one handler; the numbers' defaults are those of Kubernetes' core/v1 Probe. */
export const probe = z.strictObject({
  httpGet: httpGetAction.optional(),
  tcpSocket: tcpSocketAction.optional(),
  exec: execAction.optional(),
  grpc: z.strictObject({ port, service: z.string().default("") }).optional(),
  initialDelaySeconds: uint32.default(0),
  periodSeconds: uint32.default(10),
  timeoutSeconds: uint32.default(1),
  successThreshold: uint32.default(1),
  failureThreshold: uint32.default(3),
  terminationGracePeriodSeconds: uint32.optional(),
});

export type Probe = z.output<typeof probe>;
