// The program's other processes: the supervisor starts itself again as control plane or node, with the role's options as one JSON word.

import { z } from "zod";

const logLevel = z.enum(["debug", "info", "warn", "error"]);

/** What the control plane process is started with. */
export const controlPlaneOptionsSchema = z.strictObject({
  role: z.literal("control-plane"),
  mesh: z.string(),
  runDir: z.string(),
  logLevel,
  /** Addresses of external hosts by name come from the API's pods; every other name is resolved by the host. */
  egress: z.boolean(),
  certificateLifetimeMs: z.number(),
  /** The port for Prometheus on loopback; none when undefined. */
  metrics: z.object({ port: z.number(), whenTaken: z.enum(["another", "fail", "wait"]) }).optional(),
  /** Plug-in CA files in place of an authority of its own. */
  caDirectory: z.string().optional(),
});

/** What the node process is started with. */
export const nodeOptionsSchema = z.strictObject({
  role: z.literal("node"),
  mesh: z.string(),
  runDir: z.string(),
  logLevel,
  envoyPath: z.string(),
  /** The text of lateen.yaml's images, already checked. */
  images: z.record(z.string(), z.object({ command: z.array(z.string()), workingDir: z.string(), env: z.record(z.string(), z.string()) })),
  /** Folder that relative working directories start from. */
  baseDir: z.string(),
  sharedDir: z.string(),
  path: z.string(),
  home: z.string(),
  egress: z.boolean(),
});

export type ControlPlaneOptions = z.output<typeof controlPlaneOptionsSchema>;
export type NodeOptions = z.output<typeof nodeOptionsSchema>;

/** Messages of a role to its supervisor. */
export const roleMessageSchema = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ready"), metricsPort: z.number().optional() }),
  z.object({ type: z.literal("fatal"), message: z.string(), fix: z.string().optional() }),
]);

export type RoleMessage = z.output<typeof roleMessageSchema>;
