// Release (lateen.io/v1alpha1): schema and types. The long-lived policy of how new versions of one service get their traffic; a new version
// appearing starts a run. Names agree with Argo Rollouts and Flagger where the meaning does. Checks are in release-checks.ts.

import { z } from "zod";
import { durationMs } from "../../lib/duration.ts";
import { namespacedMetaSchema } from "../resource.ts";
import { anyStatus, duration, port, stringList } from "../scalars.ts";
import { audienceFields, audienceSchema, stickySchema } from "./audience.ts";

/** Percent of requests or users, 0 to 100; steps of 0.01 are exact. */
const percent = z.number().min(0).max(100);

const pauseStep = z.strictObject({
  /** By the clock; without it a person resumes. */
  for: duration.optional(),
  /** Who may resume; empty: whoever may write releases. */
  approvers: stringList,
});

const matchStep = z.strictObject({ ...audienceFields, for: duration.optional() });

const ringStep = z.strictObject({
  name: z.string(),
  /** Exactly one of these. */
  match: audienceSchema.optional(),
  percent: percent.optional(),
  for: duration.optional(),
});

const mirrorStep = z.strictObject({
  percent,
  /** 5 min (release-engine design §4, "shadow"). */
  for: duration.default(durationMs(300_000)),
  /** Compare responses. Not yet: copies are sent and their errors and latency are judged. */
  compare: z.boolean().default(false),
});

const previewStep = z.strictObject({
  /** Host that reaches the candidate only; "preview-<service>" when unset. */
  host: z.string().optional(),
  /** Requests sent there; each must have its status. None: the host is opened and the next step follows. */
  checks: z
    .array(
      z.strictObject({
        name: z.string(),
        method: z.string().default("GET"),
        path: z.string().default("/"),
        port: port.optional(),
        status: z.number().int().min(100).max(599).default(200),
      }),
    )
    .default([]),
  /** All checks together; 5 min when unset. */
  timeout: duration.default(durationMs(300_000)),
});

const variant = z.strictObject({
  name: z.string(),
  /** Value of the version label; the stable one's when unset (the control). */
  version: z.string().optional(),
  /** Exactly one of these. */
  match: audienceSchema.optional(),
  percent: percent.optional(),
});

const compareStep = z.strictObject({
  variants: z.array(variant).default([]),
  /** The longest; the comparison may be decided before. */
  for: duration.optional(),
});

const rolloutStep = z.strictObject({
  /** As the Deployment's own strategy says; the engine watches, judges and undoes. */
  type: z.enum(["rolling", "recreate"]),
});

const flagStep = z.strictObject({ name: z.string(), variant: z.string(), for: duration.optional() });

const step = z.strictObject({
  /** Exactly one of the following. */
  setWeight: percent.optional(),
  /** A stable share of users. */
  setPercent: percent.optional(),
  pause: pauseStep.optional(),
  match: matchStep.optional(),
  ring: ringStep.optional(),
  mirror: mirrorStep.optional(),
  preview: previewStep.optional(),
  compare: compareStep.optional(),
  rollout: rolloutStep.optional(),
  flag: flagStep.optional(),
  /** Everyone at once. */
  switch: z.strictObject({}).optional(),
  /** Beside setWeight, setPercent and switch: the shortest time there; 30 s when unset. */
  for: duration.optional(),
  /** Beside setWeight, setPercent and ring: spec.analysis.advance when unset. */
  advance: z.enum(["evidence", "clock"]).optional(),
});

const margin = z.strictObject({
  /** Tolerated: candidate ≤ ratio · stable + plus. */
  ratio: z.number().min(0).default(1),
  /** A rate: 0.001 is a tenth of a percentage point. */
  plus: z.number().gt(-1).lt(1).default(0),
});

const metric = z.strictObject({
  /** errors, latency and clientErrors are measured by the mesh; others need a query and a provider. */
  name: z.string(),
  /** src/stats' default for the metric when unset. */
  margin: margin.optional(),
  /** Relative to the other metrics'. */
  weight: z.number().gt(0).default(1),
  /** prometheus: the server's address, http://127.0.0.1:9090 when unset. */
  address: z.string().optional(),
  /**
   * prometheus: PromQL of the events that are counted, as a counter that grows, with the version as a label (named as versions.label, or "version").
   * webhook: the http(s) address that is POSTed to and answers {"<version>": {"trials": n, "events": n}}, both counted since ever.
   */
  query: z.string().optional(),
  /** prometheus: PromQL of everything that was tried, counted likewise. */
  total: z.string().optional(),
  provider: z.enum(["prometheus", "webhook"]).optional(),
  /** What the query counts. */
  counts: z.enum(["failures", "successes"]).default("failures"),
});

const analysis = z.strictObject({
  /** Chance of a false alarm in the whole run. */
  falseAlarm: z.number().gt(0).lt(1).default(0.01),
  /** Chance to go on wrongly in the whole run (src/stats/go-on.ts). */
  wrongAdvance: z.number().gt(0).lt(1).default(0.05),
  /** errors and latency when unset. */
  metrics: z.array(metric).default([]),
  /** Absolute objectives of the candidate, an independent stop. */
  limits: z.array(z.strictObject({ name: z.string(), max: z.number().gt(0).lt(1) })).default([]),
  advance: z.enum(["evidence", "clock"]).default("evidence"),
  noData: z.enum(["hold", "pass", "fail"]).default("hold"),
  /** After so long without requests there are no data, and without samples the source is down; 1 min when unset. */
  patience: duration.default(durationMs(60_000)),
  /** Before proof: keep the weight, or go back to the step before until the suspicion is over. */
  onSuspicion: z.enum(["hold", "lower"]).default("hold"),
  /** A step undecided for so long pauses for a person; 1 h when unset. */
  timeout: duration.default(durationMs(3_600_000)),
});

const webhook = z.strictObject({
  /** http(s) address that each transition is POSTed to as JSON; redirects aren't followed. */
  url: z.string(),
  /** Only these, as "Promoted" or "HarmFound"; all when unset. */
  reasons: stringList,
});

const window = z.strictObject({
  /** When it begins: minute, hour, day of month, month, day of week. */
  cron: z.string(),
  for: duration,
});

const windows = z.strictObject({
  /** Nothing starts or grows within these; going back is always allowed. */
  deny: z.array(window).default([]),
  /** IANA name; UTC when unset. */
  timezone: z.string().default("UTC"),
});

/** Strategies by name; their steps are in steps.ts. */
export const strategies = [
  "recreate",
  "rolling",
  "blueGreen",
  "canary",
  "abTest",
  "shadow",
  "darkLaunch",
  "graduated",
  "featureToggle",
] as const;

export const releaseSpecSchema = z.strictObject({
  /** A Kubernetes Service of the same namespace. */
  service: z.string(),
  /** Its ports; empty: every port. */
  ports: z.array(port).default([]),
  /** The pods' label whose value names a version. */
  versions: z.strictObject({ label: z.string().default("version") }).default({ label: "version" }),
  /** canary when steps are unset too; with its default steps. */
  strategy: z.enum(strategies).optional(),
  /** Instead of a strategy's own. */
  steps: z.array(step).default([]),
  /** What named strategies are made of: darkLaunch needs match, graduated rings, abTest variants, featureToggle flag. */
  match: audienceSchema.optional(),
  rings: z.array(ringStep).default([]),
  variants: z.array(variant).default([]),
  flag: z.strictObject({ name: z.string(), variant: z.string() }).optional(),
  preview: previewStep.optional(),
  sticky: stickySchema.optional(),
  analysis: analysis.default(() => analysis.parse({})),
  /** rollback; hold goes back to the step before and waits for a person; freeze moves nothing and waits. */
  onFailure: z.enum(["rollback", "hold", "freeze"]).default("rollback"),
  windows: windows.default({ deny: [], timezone: "UTC" }),
  /** Who is told of each transition. */
  webhooks: z.array(webhook).default([]),
  /** How long the old side stays ready after promotion; 10 min (release-engine design §3). */
  warm: duration.default(durationMs(600_000)),
  /** How long connections may end by themselves once no route leads to a version; 5 s when unset (Envoy's drain, Istio's terminationDrainDuration). */
  drain: duration.default(durationMs(5000)),
  /** How long a step waits for a ready pod before the run fails; 10 min (Deployment progressDeadlineSeconds). */
  readyTimeout: duration.default(durationMs(600_000)),
});

export const releaseSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("Release"),
  metadata: namespacedMetaSchema,
  spec: releaseSpecSchema,
  status: anyStatus,
});

export type Release = z.output<typeof releaseSchema>;
export type ReleaseSpec = z.output<typeof releaseSpecSchema>;
export type ReleaseStep = z.output<typeof step>;
export type Strategy = (typeof strategies)[number];
export type ReleaseRing = z.output<typeof ringStep>;
export type ReleaseVariant = z.output<typeof variant>;
export type ReleaseMetric = z.output<typeof metric>;
export type ReleaseWebhook = z.output<typeof webhook>;
export type FreezeWindow = z.output<typeof window>;
export type PreviewCheck = z.output<typeof previewStep>["checks"][number];
