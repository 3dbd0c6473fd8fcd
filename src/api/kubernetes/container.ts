// Container of Kubernetes: what runs in a pod, its environment, ports and probes.

import { z } from "zod";
import { accepted, port, stringList } from "../scalars.ts";
import { execAction, httpGetAction, probe, tcpSocketAction } from "./probe.ts";

const keySelector = z.strictObject({ name: z.string().default(""), key: z.string(), optional: z.boolean().default(false) });

const envVar = z.strictObject({
  name: z.string(),
  value: z.string().optional(),
  valueFrom: z
    .strictObject({
      configMapKeyRef: keySelector.optional(),
      secretKeyRef: keySelector.optional(),
      fieldRef: z.strictObject({ apiVersion: z.string().optional(), fieldPath: z.string() }).optional(),
      resourceFieldRef: accepted,
      fileKeyRef: accepted,
    })
    .optional(),
});

const envSource = z.strictObject({ name: z.string().default(""), optional: z.boolean().default(false) });

const envFromSource = z.strictObject({
  prefix: z.string().default(""),
  configMapRef: envSource.optional(),
  secretRef: envSource.optional(),
});

const containerPort = z.strictObject({
  name: z.string().optional(),
  containerPort: port,
  protocol: z.enum(["TCP", "UDP", "SCTP"]).default("TCP"),
  hostPort: port.optional(),
  hostIP: z.string().optional(),
});

const volumeMount = z.strictObject({
  name: z.string(),
  mountPath: z.string(),
  subPath: z.string().optional(),
  readOnly: z.boolean().default(false),
  subPathExpr: accepted,
  mountPropagation: accepted,
  recursiveReadOnly: accepted,
});

const lifecycleHandler = z.strictObject({
  exec: execAction.optional(),
  httpGet: httpGetAction.optional(),
  tcpSocket: tcpSocketAction.optional(),
  sleep: z.strictObject({ seconds: z.number() }).optional(),
});

export const container = z.strictObject({
  name: z.string(),
  image: z.string().optional(),
  command: stringList,
  args: stringList,
  workingDir: z.string().optional(),
  ports: z.array(containerPort).default([]),
  env: z.array(envVar).default([]),
  envFrom: z.array(envFromSource).default([]),
  volumeMounts: z.array(volumeMount).default([]),
  livenessProbe: probe.optional(),
  readinessProbe: probe.optional(),
  startupProbe: probe.optional(),
  lifecycle: z
    .strictObject({ postStart: lifecycleHandler.optional(), preStop: lifecycleHandler.optional(), stopSignal: accepted })
    .optional(),
  /** "Always" makes an init container a sidecar. */
  restartPolicy: z.string().optional(),
  imagePullPolicy: accepted,
  resizePolicy: accepted,
  resources: accepted,
  restartPolicyRules: accepted,
  securityContext: accepted,
  stdin: accepted,
  stdinOnce: accepted,
  terminationMessagePath: accepted,
  terminationMessagePolicy: accepted,
  tty: accepted,
  volumeDevices: accepted,
});

export type Container = z.output<typeof container>;
export type ContainerPort = z.output<typeof containerPort>;
export type EnvVar = z.output<typeof envVar>;
export type EnvFromSource = z.output<typeof envFromSource>;
export type VolumeMount = z.output<typeof volumeMount>;
export type LifecycleHandler = z.output<typeof lifecycleHandler>;
