// Specs of the three kinds, and what is wrong with each.

import { describe, expect, test } from "vitest";
import { printPath } from "../../lib/field-path.ts";
import { fieldPaths } from "../schema-walk.ts";
import { parseYaml } from "../yaml.ts";
import { releaseKinds } from "./kinds.ts";

type Kind = keyof typeof releaseKinds;

function findings(kind: Kind, spec: string): readonly string[] {
  const [document] = parseYaml(`{apiVersion: lateen.io/v1alpha1, kind: ${kind}, metadata: {name: web}, spec: ${spec}}`, "x.yaml");
  expect(document?.findings).toEqual([]);
  return releaseKinds[kind].read(document?.value).findings.map(({ code, path }) => `${code} ${printPath(path)}`);
}

const release = (fields: string) => `{service: reviews, ${fields}}`;
const steps = (list: string) => release(`analysis: {limits: [{name: errors, max: 0.02}]}, steps: [${list}]`);
const yes = "headers: {x-beta: {exact: 'yes'}}";
const sticky = "sticky: {cookie: lateen-reviews}";

const releases: readonly (readonly [spec: string, ...expected: string[]])[] = [
  ["{service: reviews}"],
  ["{}", "LTN0102 spec.service"],
  ["{service: reviews.default.svc}", "LTN0106 spec.service"],
  [release("strategy: blueGreen, preview: {host: preview.test, checks: [{name: up}]}")],
  [release("strategy: highlander"), "LTN0104 spec.strategy"],
  [release("strategy: canary, steps: [{setWeight: 1}]"), "LTN1102 spec.strategy"],
  [release("strategy: graduated"), "LTN1103 spec.rings"],
  [release("strategy: abTest"), "LTN1103 spec.variants"],
  [release("strategy: darkLaunch"), "LTN1103 spec.match", "LTN1111 spec.strategy"],
  [release("strategy: featureToggle"), "LTN1103 spec.flag", "LTN1111 spec.strategy"],
  [release("strategy: shadow"), "LTN1108 spec.strategy"],
  [release("strategy: canary, flag: {name: a, variant: b}"), "LTN0307 spec.flag"],
  [
    release(`strategy: graduated, rings: [{name: staff, match: {${yes}}}, {name: some, percent: 5}]`),
    "LTN1111 spec.rings[0]",
    "LTN1109 spec.rings[1].percent",
  ],
  [release(`${sticky}, strategy: graduated, rings: [{name: a, percent: 1}, {name: b, percent: 10}]`)],
  [release(`strategy: graduated, rings: [{name: a}]`), "LTN1103 spec.rings[0]"],
  [release(`${sticky}, strategy: abTest, variants: [{name: a}, {name: b, version: v2, percent: 50}]`)],
  [
    release(`${sticky}, strategy: abTest, variants: [{name: a, version: v2, percent: 60}, {name: a, version: v3, percent: 50}]`),
    "LTN1104 spec.variants",
    "LTN1103 spec.variants[1]",
  ],
  [release(`strategy: abTest, variants: [{name: a}]`), "LTN1103 spec.variants"],
  [steps("{setWeight: 0.1, for: 10s}, {setWeight: 10, advance: clock}, {pause: {}}, {pause: {for: 5m}}, {switch: {}}")],
  [steps("{}, {setWeight: 1, pause: {}}"), "LTN1101 spec.steps[0]", "LTN1101 spec.steps[1]"],
  [
    steps("{setWeight: 1, for: -1s}, {pause: {for: -3s}}, {preview: {timeout: -1s}}, {pause: {for: 0s}}"),
    "LTN0211 spec.steps[0].for",
    "LTN0211 spec.steps[1].pause.for",
    "LTN0211 spec.steps[2].preview.timeout",
  ],
  [release(`${sticky}, strategy: graduated, rings: [{name: a, percent: 1, for: -1m}]`), "LTN0211 spec.rings[0].for"],
  [steps("{setWeight: 101}"), "LTN0105 spec.steps[0].setWeight"],
  [steps("{setWeight: 0.001}"), "LTN1104 spec.steps[0].setWeight"],
  [steps("{setWeight: 10}, {setWeight: 5}"), "LTN1105 spec.steps[1]"],
  [steps("{setPercent: 5}"), "LTN1109 spec.steps[0].setPercent"],
  [steps(`{match: {${yes}, for: 1m}}, {match: {}}`), "LTN1103 spec.steps[1].match"],
  [steps("{match: {headers: {'a b': {}}}}"), 'LTN0213 spec.steps[0].match.headers["a b"]'],
  [steps("{match: {cookies: {a: {regex: '['}}}}"), "LTN0207 spec.steps[0].match.cookies.a.regex"],
  [steps("{match: {userAgent: {regex: '('}}}"), "LTN0207 spec.steps[0].match.userAgent.regex"],
  [steps("{match: {claims: {group: {}}}}"), "LTN0108 spec.steps[0].match.claims.group"],
  [steps("{mirror: {percent: 10}}"), "LTN1108 spec.steps[0].mirror"],
  [steps("{mirror: {percent: 10}, for: 1m}"), "LTN0307 spec.steps[0].for", "LTN1108 spec.steps[0].mirror"],
  [steps("{pause: {for: 1m}, advance: clock}"), "LTN0307 spec.steps[0].advance"],
  [steps("{setWeigth: 1}"), "LTN0101 spec.steps[0].setWeigth"],
  [steps("{pause: {for: 5}}"), "LTN0107 spec.steps[0].pause.for"],
  [release(`steps: [{match: {${yes}}}]`), "LTN1111 spec.steps[0]"],
  [release("sticky: {}"), "LTN1109 spec.sticky"],
  [release("sticky: {cookie: a, header: b}"), "LTN1109 spec.sticky"],
  [release("windows: {deny: [{cron: '0 18 * * FRI', for: 60h}], timezone: Europe/Berlin}")],
  [
    release("windows: {deny: [{cron: '0 18 * *', for: 60h}, {cron: '* * * * *', for: 1s}], timezone: Mars}"),
    "LTN1106 spec.windows.timezone",
    "LTN1106 spec.windows.deny[0].cron",
    "LTN1106 spec.windows.deny[1].for",
  ],
  [
    release(
      "analysis: {metrics: [{name: errors, margin: {ratio: 1.5, plus: 0.001}}, {name: latency}, {name: sold, query: q, total: t, provider: prometheus}]}",
    ),
  ],
  [release("analysis: {metrics: [{name: sold, query: 'https://a.example/sold', provider: webhook}]}")],
  [
    release(
      "analysis: {metrics: [{name: a, query: q, provider: prometheus}, {name: b, query: q, total: t, address: 'ftp://a', provider: prometheus}, {name: c, query: q, provider: webhook}, {name: d, query: 'http://a', total: t, provider: webhook}]}",
    ),
    ...[0, 1, 2, 3].map((index) => `LTN1107 spec.analysis.metrics[${index}]`),
  ],
  [release("webhooks: [{url: 'https://a.example/hook', reasons: [Promoted]}]")],
  [
    release("webhooks: [{url: 'http://a.example'}, {url: 'http://a.example'}, {url: 'file:///a'}, {url: 'https://me:secret@a.example'}]"),
    ...[1, 2, 3].map((index) => `LTN1112 spec.webhooks[${index}].url`),
  ],
  [
    release("steps: [{preview: {checks: [{name: a}, {name: a}, {name: b, path: x}, {name: c, method: 'G T'}]}}]"),
    ...[1, 2, 3].map((index) => `LTN1103 spec.steps[0].preview.checks[${index}]`),
  ],
  [
    release(
      "analysis: {metrics: [{name: errors, query: a}, {name: sold}, {name: latency}, {name: latency}, {name: clientErrors, margin: {}}]}",
    ),
    ...[0, 1, 3, 4].map((index) => `LTN1107 spec.analysis.metrics[${index}]`),
  ],
  [release("analysis: {limits: [{name: latency, max: 0.1}, {name: errors, max: 0.1}]}"), "LTN1107 spec.analysis.limits[0].name"],
  [release("analysis: {falseAlarm: 0}"), "LTN0105 spec.analysis.falseAlarm"],
  [release("analysis: {patience: 0s}, warm: -1s"), "LTN0211 spec.warm", "LTN0211 spec.analysis.patience"],
];

const flags: readonly (readonly [spec: string, ...expected: string[]])[] = [
  [
    `{service: cart, key: new-cart, variants: {fresh: {value: 'true', version: v2}, stale: {value: 'false'}}, default: stale, ${sticky}, rules: [{percent: 5, variant: fresh}]}`,
  ],
  [`{service: cart, key: k, variants: {fresh: {value: a}}, default: fresh, rules: [{match: {${yes}}, variant: fresh}]}`],
  ["{service: cart, key: k, variants: {}, default: fresh}", "LTN1110 spec.default"],
  ["{service: cart, key: 'a b', header: 'a b', variants: {fresh: {value: a}}, default: fresh}", "LTN0213 spec.header", "LTN1110 spec.key"],
  [
    "{service: cart, key: k, variants: {fresh: {value: a}}, default: fresh, rules: [{variant: fresh}, {percent: 60, variant: fres}]}",
    "LTN1110 spec.rules[0]",
    "LTN1110 spec.rules[1].variant",
    "LTN1109 spec.rules[1].percent",
  ],
  [
    `{service: cart, key: k, variants: {fresh: {value: a}}, default: fresh, ${sticky}, rules: [{percent: 60, variant: fresh}, {percent: 60, variant: fresh}]}`,
    "LTN1110 spec.rules",
  ],
];

describe("checks", () => {
  test.each(releases)("Release %s", (spec, ...expected) => expect(findings("Release", spec)).toEqual(expected));
  test.each(flags)("FeatureFlag %s", (spec, ...expected) => expect(findings("FeatureFlag", spec)).toEqual(expected));
  test("ReleaseRun", () => {
    expect(findings("ReleaseRun", "{release: a, candidate: v2, stable: v1}")).toEqual([]);
    expect(findings("ReleaseRun", "{release: a, candidate: v1, stable: v1}")).toEqual(["LTN1103 spec.candidate"]);
  });
});

test("defaults", () => {
  const { value } = releaseKinds.Release.read({
    apiVersion: "lateen.io/v1alpha1",
    kind: "Release",
    metadata: { name: "a" },
    spec: { service: "a" },
  });
  expect(value?.spec).toMatchObject({
    versions: { label: "version" },
    analysis: { falseAlarm: 0.01, wrongAdvance: 0.05, advance: "evidence", noData: "hold", patience: 60_000, onSuspicion: "hold" },
    onFailure: "rollback",
    windows: { deny: [], timezone: "UTC" },
    warm: 600_000,
  });
});

test.each(Object.values(releaseKinds).map((kind) => [kind.kind, kind] as const))("notYet of %s names fields that exist", (_name, kind) => {
  const known = fieldPaths(kind.schema);
  expect(kind.notYet.filter((path) => !known.includes(path))).toEqual([]);
});
