// Checks of a Release's steps: one kind each, shares that only grow, users that can be told, and warnings about what a step means.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { checkAudience } from "./audience.ts";
import type { PreviewCheck, ReleaseRing, ReleaseSpec, ReleaseStep, ReleaseVariant } from "./release.ts";

const stepKinds = [
  "setWeight",
  "setPercent",
  "pause",
  "match",
  "ring",
  "mirror",
  "preview",
  "compare",
  "rollout",
  "flag",
  "switch",
] as const;

/** Weights are integers with the sum 10,000 (src/model/weights.ts). */
const finestPercent = 0.01;

interface Place {
  readonly path: FieldPath;
  readonly hasSticky: boolean;
}

/** All findings of spec.steps, and of what named strategies imply about people and writes. */
export function checkSteps(spec: ReleaseSpec): readonly Finding[] {
  const hasSticky = spec.sticky !== undefined;
  return [
    ...spec.steps.flatMap((step, index) => checkStep(step, { path: ["spec", "steps", index], hasSticky })),
    ...checkGrowth(spec.steps),
    ...warnings(spec),
  ];
}

function checkStep(step: ReleaseStep, place: Place): readonly Finding[] {
  const { path } = place;
  const given = stepKinds.filter((kind) => step[kind] !== undefined);
  if (given.length !== 1) {
    const message = `\`${printPath(path)}\` ${given.length === 0 ? "says nothing to do" : `does ${given.join(" and ")} at once`}`;
    return [{ code: "LTN1101", path, message, fix: `Give exactly one of ${stepKinds.join(", ")}.` }];
  }
  return [
    ...checkFine(step.setWeight, [...path, "setWeight"]),
    ...checkFine(step.setPercent, [...path, "setPercent"]),
    ...(step.setPercent === undefined ? [] : checkUsers([...path, "setPercent"], place)),
    ...(step.match === undefined ? [] : checkAudience(step.match, [...path, "match"])),
    ...(step.ring === undefined ? [] : checkRing(step.ring, { ...place, path: [...path, "ring"] })),
    ...(step.compare === undefined ? [] : checkVariants(step.compare.variants, { ...place, path: [...path, "compare", "variants"] })),
    ...(step.preview === undefined ? [] : checkPreview(step.preview, [...path, "preview"])),
    ...checkTiming(step, path),
    ...checkTimes(step, path),
  ];
}

/** Times of a step, which may be nothing but not less. */
function checkTimes(step: ReleaseStep, path: FieldPath): readonly Finding[] {
  const within = (["pause", "match", "mirror", "compare", "flag"] as const).flatMap((kind) =>
    checkTime(step[kind]?.for, [...path, kind, "for"]),
  );
  return [...checkTime(step.for, [...path, "for"]), ...within];
}

function checkTime(time: number | undefined, path: FieldPath): readonly Finding[] {
  if (time === undefined || time >= 0) return [];
  return [{ code: "LTN0211", path, message: `\`${printPath(path)}\` is less than nothing`, fix: "Write 0s or more." }];
}

/** Requests that can be sent, each with a name of its own. */
export function checkPreview({ checks, timeout }: NonNullable<ReleaseStep["preview"]>, path: FieldPath): readonly Finding[] {
  return [...checkTime(timeout, [...path, "timeout"]), ...checkRequests(checks, path)];
}

function checkRequests(checks: readonly PreviewCheck[], path: FieldPath): readonly Finding[] {
  return checks.flatMap(({ name, method, path: asked }, index): readonly Finding[] => {
    const at = [...path, "checks", index];
    const finding = (problem: string): readonly Finding[] => [{ code: "LTN1103", path: at, message: `\`${printPath(at)}\` ${problem}` }];
    if (checks.findIndex((other) => other.name === name) < index) return finding("has the name of another");
    if (!/^\/[!-~]{0,4000}$/.test(asked)) return finding("has no path that begins with / and has no spaces");
    return /^[A-Za-z]{1,20}$/.test(method) ? [] : finding("has no HTTP method");
  });
}

/** A ring is people by condition, or a share of users. */
export function checkRing(ring: ReleaseRing, place: Place): readonly Finding[] {
  const { path } = place;
  return [...checkWho(ring, place), ...checkFine(ring.percent, [...path, "percent"]), ...checkTime(ring.for, [...path, "for"])];
}

/** Variants have names of their own, and somebody who sees them. */
export function checkVariants(variants: readonly ReleaseVariant[], { path, hasSticky }: Place): readonly Finding[] {
  const few: readonly Finding[] =
    variants.length >= 2
      ? []
      : [{ code: "LTN1103", path, message: `\`${printPath(path)}\` needs two or more to compare`, fix: "Add variants." }];
  const names = variants.map(({ name }) => name);
  const sum = variants.reduce((total, { percent = 0 }) => total + percent, 0);
  const tooMuch: readonly Finding[] =
    sum > 100 ? [{ code: "LTN1104", path, message: `the percentages of \`${printPath(path)}\` add up to ${sum}` }] : [];
  return [
    ...few,
    ...tooMuch,
    ...variants.flatMap((variant, index) => {
      const at = [...path, index];
      const twice: readonly Finding[] =
        names.indexOf(variant.name) < index ? [{ code: "LTN1103", path: at, message: `\`${printPath(at)}\` has the name of another` }] : [];
      // The control is whoever gets no other variant, so it needs no condition.
      const isControl = variant.version === undefined && variant.match === undefined && variant.percent === undefined;
      return [
        ...twice,
        ...(isControl ? [] : checkWho(variant, { path: at, hasSticky })),
        ...checkFine(variant.percent, [...at, "percent"]),
      ];
    }),
  ];
}

function checkWho({ match, percent }: Pick<ReleaseRing, "match" | "percent">, place: Place): readonly Finding[] {
  const { path } = place;
  if ((match === undefined) === (percent === undefined)) {
    return [{ code: "LTN1103", path, message: `\`${printPath(path)}\` needs exactly one of match and percent` }];
  }
  return match === undefined ? checkUsers([...path, "percent"], place) : checkAudience(match, [...path, "match"]);
}

function checkUsers(path: FieldPath, { hasSticky }: Place): readonly Finding[] {
  if (hasSticky) return [];
  const message = `\`${printPath(path)}\` is a share of users, and nothing tells one user from another`;
  return [{ code: "LTN1109", path, message, fix: "Add spec.sticky with a cookie, header or claim." }];
}

function checkFine(percent: number | undefined, path: FieldPath): readonly Finding[] {
  if (percent === undefined || Math.abs(Math.round(percent / finestPercent) * finestPercent - percent) < 1e-9) return [];
  return [{ code: "LTN1104", path, message: `\`${printPath(path)}\` is ${percent}, finer than 0.01`, fix: "Use steps of 0.01." }];
}

function checkTiming(step: ReleaseStep, path: FieldPath): readonly Finding[] {
  const hasOwn = step.pause ?? step.mirror ?? step.preview ?? step.compare ?? step.rollout;
  const isMisplaced = hasOwn !== undefined && step.for !== undefined;
  const misplaced: readonly Finding[] = isMisplaced
    ? [
        {
          code: "LTN0307",
          path: [...path, "for"],
          message: `\`${printPath([...path, "for"])}\` has no effect here`,
          fix: "Put it into the step.",
        },
      ]
    : [];
  const judged = step.setWeight ?? step.setPercent ?? step.ring;
  if (step.advance === undefined || judged !== undefined) return misplaced;
  const at = [...path, "advance"];
  return [
    ...misplaced,
    { code: "LTN0307", path: at, message: `\`${printPath(at)}\` has no effect here: this step isn't judged`, fix: "Remove it." },
  ];
}

/** Shares that go down take the new version away from people who had it. */
function checkGrowth(steps: readonly ReleaseStep[]): readonly Finding[] {
  return (["setWeight", "setPercent"] as const).flatMap((kind) => {
    const given = steps.flatMap((step, index) => {
      const percent = kind === "setPercent" ? (step.setPercent ?? step.ring?.percent) : step[kind];
      return percent === undefined ? [] : [{ percent, index }];
    });
    return given.flatMap(({ percent, index }, place): readonly Finding[] => {
      const before = given[place - 1];
      if (before === undefined || before.percent < percent) return [];
      const path = ["spec", "steps", index];
      return [{ code: "LTN1105", path, message: `\`${printPath(path)}\` goes from ${before.percent} to ${percent} percent` }];
    });
  });
}

function warnings(spec: ReleaseSpec): readonly Finding[] {
  const mirrors = spec.steps.flatMap(({ mirror }, index) => (mirror === undefined ? [] : [["spec", "steps", index, "mirror"]]));
  const shadow = spec.steps.length === 0 && spec.strategy === "shadow" ? [["spec", "strategy"]] : [];
  const people = spec.steps.flatMap(({ match, ring, flag }, index) =>
    match !== undefined || ring?.match !== undefined || flag !== undefined ? [["spec", "steps", index]] : [],
  );
  const named = spec.steps.length === 0 && ["darkLaunch", "featureToggle"].includes(spec.strategy ?? "") ? [["spec", "strategy"]] : [];
  const rings = spec.rings.flatMap(({ match }, index) => (match === undefined ? [] : [["spec", "rings", index]]));
  const chosen = spec.analysis.limits.length > 0 ? [] : [...people, ...named, ...rings];
  return [
    ...[...mirrors, ...shadow].map(
      (path): Finding => ({
        code: "LTN1108",
        path,
        message: `\`${printPath(path)}\` sends copies of live requests; copies of writes are writes`,
      }),
    ),
    ...chosen.slice(0, 1).map((path): Finding => {
      const message = `\`${printPath(path)}\` is for chosen people, who can't be compared with everybody; no limit is set, so 5 % errors is the limit`;
      return { code: "LTN1111", path, message };
    }),
  ];
}
