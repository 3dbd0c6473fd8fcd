// The kinds of releases, a row each.

import { defineKind } from "../kind.ts";
import { checkFeatureFlag, featureFlagSchema } from "./feature-flag.ts";
import { releaseSchema } from "./release.ts";
import { checkRelease } from "./release-checks.ts";
import { checkReleaseRun, releaseRunSchema } from "./release-run.ts";

const group = "lateen.io";
const versions = ["v1alpha1"] as const;

export const releaseKinds = {
  FeatureFlag: defineKind({
    group,
    versions,
    kind: "FeatureFlag",
    plural: "featureflags",
    singular: "featureflag",
    shortNames: ["ff"],
    namespaced: true,
    schema: featureFlagSchema,
    check: checkFeatureFlag,
    columns: [
      { name: "Service", path: "spec.service" },
      { name: "Key", path: "spec.key" },
    ],
    notYet: [],
  }),
  Release: defineKind({
    group,
    versions,
    kind: "Release",
    plural: "releases",
    singular: "release",
    shortNames: ["rel"],
    namespaced: true,
    schema: releaseSchema,
    check: checkRelease,
    columns: [
      { name: "Service", path: "spec.service" },
      { name: "Phase", path: "status.phase" },
      { name: "Stable", path: "status.stable" },
      { name: "Candidate", path: "status.candidate" },
      { name: "Weight", path: "status.weightPercent" },
      { name: "Verdict", path: "status.verdict" },
    ],
    notYet: ["spec.steps[].mirror.compare"],
  }),
  ReleaseRun: defineKind({
    group,
    versions,
    kind: "ReleaseRun",
    plural: "releaseruns",
    singular: "releaserun",
    shortNames: ["run"],
    namespaced: true,
    schema: releaseRunSchema,
    check: checkReleaseRun,
    columns: [
      { name: "Release", path: "spec.release" },
      { name: "Candidate", path: "spec.candidate" },
      { name: "Outcome", path: "status.outcome" },
    ],
    notYet: [],
  }),
};
