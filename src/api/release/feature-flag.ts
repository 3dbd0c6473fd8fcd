// FeatureFlag (lateen.io/v1alpha1): schema, types and checks. One flag decides both the header given to the application and the version it reaches.

import { z } from "zod";
import { printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { isHeaderName } from "../names.ts";
import { namespacedMetaSchema } from "../resource.ts";
import { anyStatus } from "../scalars.ts";
import { audienceSchema, checkAudience, checkSticky, stickySchema } from "./audience.ts";

const flagVariant = z.strictObject({
  /** Value of the header, and of the flag in OpenFeature's answer. */
  value: z.string(),
  /** The version that requests of this variant reach; unset: as if there were no flag. */
  version: z.string().optional(),
});

const flagRule = z.strictObject({
  /** Exactly one of match and percent. */
  match: audienceSchema.optional(),
  percent: z.number().min(0).max(100).optional(),
  /** With percent: whose share it is; the flag's when unset. */
  sticky: stickySchema.optional(),
  variant: z.string(),
});

export const featureFlagSchema = z.strictObject({
  apiVersion: z.string(),
  kind: z.literal("FeatureFlag"),
  metadata: namespacedMetaSchema,
  spec: z.strictObject({
    /** A Kubernetes Service of the same namespace. */
    service: z.string(),
    /** Name that applications ask for. */
    key: z.string(),
    /** Request header that carries the variant's value; "x-flag-<key>" when unset. */
    header: z.string().optional(),
    variants: z.record(z.string(), flagVariant),
    sticky: stickySchema.optional(),
    /** The first that holds decides. */
    rules: z.array(flagRule).default([]),
    /** Variant of everyone else. */
    default: z.string(),
  }),
  status: anyStatus,
});

export type FeatureFlag = z.output<typeof featureFlagSchema>;

/** All findings of one FeatureFlag. */
export function checkFeatureFlag({ spec }: FeatureFlag): readonly Finding[] {
  const known = (name: string) => Object.hasOwn(spec.variants, name);
  const unknown = (name: string, path: readonly (string | number)[]): readonly Finding[] => {
    if (known(name)) return [];
    const message = `\`${printPath(path)}\`: there is no variant ${JSON.stringify(name.slice(0, 80))}`;
    return [{ code: "LTN1110", path, message, fix: `Use one of ${Object.keys(spec.variants).join(", ") || "the variants you define"}.` }];
  };
  return [
    ...(spec.header === undefined || isHeaderName(spec.header)
      ? []
      : [{ code: "LTN0213" as const, path: ["spec", "header"], message: "`spec.header` is not a header name" }]),
    ...(/^[\w.-]{1,200}$/.test(spec.key)
      ? []
      : [
          {
            code: "LTN1110" as const,
            path: ["spec", "key"],
            message: "`spec.key` is no key",
            fix: "Use letters, digits, '.', '-' and '_' (at most 200).",
          },
        ]),
    ...unknown(spec.default, ["spec", "default"]),
    ...(spec.sticky === undefined ? [] : checkSticky(spec.sticky, ["spec", "sticky"])),
    ...spec.rules.flatMap((rule, index) => [
      ...unknown(rule.variant, ["spec", "rules", index, "variant"]),
      ...checkRule(rule, { index, hasSticky: spec.sticky !== undefined }),
    ]),
    ...checkSum(spec.rules),
  ];
}

type Rule = FeatureFlag["spec"]["rules"][number];

function checkRule(rule: Rule, { index, hasSticky }: { readonly index: number; readonly hasSticky: boolean }): readonly Finding[] {
  const path = ["spec", "rules", index];
  if ((rule.match === undefined) === (rule.percent === undefined)) {
    const message = `\`${printPath(path)}\` needs exactly one of match and percent`;
    return [{ code: "LTN1110", path, message, fix: "Say who gets the variant: match, or percent." }];
  }
  const sticky = rule.sticky === undefined ? [] : checkSticky(rule.sticky, [...path, "sticky"]);
  const missing: readonly Finding[] =
    rule.percent !== undefined && rule.sticky === undefined && !hasSticky
      ? [
          {
            code: "LTN1109",
            path: [...path, "percent"],
            message: `\`${printPath([...path, "percent"])}\` needs sticky: whose share is it?`,
          },
        ]
      : [];
  return [...sticky, ...missing, ...(rule.match === undefined ? [] : checkAudience(rule.match, [...path, "match"]))];
}

function checkSum(rules: readonly Rule[]): readonly Finding[] {
  const sum = rules.reduce((total, { percent = 0 }) => total + percent, 0);
  if (sum <= 100) return [];
  const path = ["spec", "rules"];
  return [{ code: "LTN1110", path, message: `the percentages of \`spec.rules\` add up to ${sum}`, fix: "Keep their sum at 100 or below." }];
}
