import { expect, test } from "vitest";
import { resourcesOf, snapshotOf } from "../../test/harness/world.ts";
import type { DestinationRule } from "../api/networking/destination-rule.ts";
import { createRuleHold, withHeldTls } from "./held-rules.ts";

function rules(...specs: readonly string[]): readonly DestinationRule[] {
  const yaml = specs.map((spec, index) => {
    const name = `{name: rule-${index}, namespace: shop}`;
    return `apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: ${name}\nspec: ${spec}\n`;
  });
  return snapshotOf(resourcesOf(yaml.join("---\n"))).list("DestinationRule");
}

const [plain, mutual, quiet] = [
  "{host: web, trafficPolicy: {tls: {mode: DISABLE}}}",
  "{host: web, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}",
  "{host: web}",
];
const modes = (list: readonly DestinationRule[]) => list.map(({ spec }) => spec.trafficPolicy?.tls?.mode);

test.each([
  ["changed", [plain], [mutual], ["DISABLE"]],
  ["new", [], [mutual], [undefined]],
  ["newly said", [quiet], [plain], [undefined]],
  ["no longer said", [plain], [quiet], ["DISABLE"]],
  ["deleted", [quiet, plain], [quiet], [undefined, "DISABLE"]],
])("mutual TLS that is %s waits", (_what, before, now, expected) => {
  expect(modes(withHeldTls(rules(...before), rules(...now)))).toEqual(expected);
});

test("subsets and ports keep theirs, and everything else acts at once", () => {
  const before = rules("{host: web, subsets: [{name: v1, trafficPolicy: {tls: {mode: DISABLE}}}]}");
  const policy = "portLevelSettings: [{port: {number: 80}, tls: {mode: DISABLE}}], connectionPool: {tcp: {maxConnections: 7}}";
  const tls = (mode: string) => `trafficPolicy: {tls: {mode: ${mode}}}`;
  const subsets = `[{name: v1, ${tls("ISTIO_MUTUAL")}}, {name: v2, ${tls("DISABLE")}}]`;
  const [held] = withHeldTls(before, rules(`{host: web, trafficPolicy: {${policy}}, subsets: ${subsets}}`));
  const { trafficPolicy, subsets: kept } = held?.spec ?? {};
  expect(trafficPolicy?.connectionPool?.tcp?.maxConnections).toBe(7);
  expect(trafficPolicy?.portLevelSettings[0]?.tls).toBeUndefined();
  expect(kept?.map(({ name, trafficPolicy: own }) => [name, own?.tls?.mode])).toEqual([
    ["v1", "DISABLE"],
    ["v2", undefined],
  ]);
});

test("rules that say nothing new of mutual TLS are the same list", () => {
  const now = rules("{host: a, trafficPolicy: {tls: {mode: SIMPLE}}}", "{host: b, subsets: [{name: v1}]}");
  expect(withHeldTls(rules(quiet), now)).toBe(now);
  expect(withHeldTls(rules(plain), rules(plain))).toEqual(rules(plain));
});

test("once servers begin to accept both, rules wait until everything has arrived", () => {
  const rulesOf = createRuleHold();
  const [before, now] = [rules(plain), rules(mutual)];
  const on = (isWidening: boolean, isInFlight: boolean) => modes(rulesOf(now, { isWidening, isInFlight }));
  rulesOf(before, { isWidening: false, isInFlight: true });
  expect([on(true, true), on(false, true), on(false, false)]).toEqual([["DISABLE"], ["DISABLE"], ["ISTIO_MUTUAL"]]);
  expect(modes(rulesOf(before, { isWidening: false, isInFlight: true }))).toEqual(["DISABLE"]);
});
