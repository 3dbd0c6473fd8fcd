// What a flag's evaluation says, and that it is what proxies do: random flags and requests against the generated routes, and the values' types.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { releasedWorld, releaseOf, serviceYaml, tableOf } from "../../test/harness/release-world.ts";
import { type FeatureFlag, featureFlagSchema } from "../api/release/feature-flag.ts";
import { unreleased, withFlags } from "../app/releases/flag-arms.ts";
import { simulate } from "../envoy/simulate.ts";
import { cohortMember, cohortValue } from "../model/releases/cohort.ts";
import { cohortPoint } from "../model/releases/cohort-point.ts";
import type { ReleaseRoute } from "../model/releases/release-route.ts";
import { type FlagContext, parseFlagContext } from "./flag-context.ts";
import { evaluateFlag, type FlagWorld, flagHeader } from "./flags.ts";

const flagOf = (name: string, spec: object): FeatureFlag =>
  featureFlagSchema.parse({
    apiVersion: "lateen.io/v1alpha1",
    kind: "FeatureFlag",
    metadata: { name, namespace: "shop" },
    spec: { service: "catalog", key: name, ...spec },
  });
const contextOf = (context: object): FlagContext => {
  const result = parseFlagContext({ context });
  if (!result.ok) throw new Error(result.message);
  return result.context;
};
const client = { namespace: "shop", labels: { app: "client" } };
const world = (route: ReleaseRoute): FlagWorld => ({ route, isUsable: () => true, caller: client });
const ask = (flag: FeatureFlag, context: object, route = withFlags(unreleased(flag), [flag], [])) =>
  evaluateFlag(flag, contextOf(context), world(route));

const onOff = { on: { value: "true", version: "v2" }, off: { value: "false" } };
const beta = { headers: { "X-Beta": { exact: "yes" } } };

describe("reasons", () => {
  test("no rules: STATIC", () => {
    expect(ask(flagOf("plain", { variants: onOff, default: "off" }), {})).toEqual({
      ok: true,
      variant: "off",
      value: false,
      reason: "STATIC",
    });
  });

  test("a rule that holds: TARGETING_MATCH with its version; one that doesn't: DEFAULT", () => {
    const flag = flagOf("cart", { variants: onOff, default: "off", rules: [{ match: beta, variant: "on" }] });
    expect(ask(flag, { headers: { "x-beta": "yes" } })).toEqual({
      ok: true,
      variant: "on",
      value: true,
      reason: "TARGETING_MATCH",
      version: "v2",
    });
    expect(ask(flag, { headers: { "x-beta": "no" } })).toMatchObject({ variant: "off", reason: "DEFAULT" });
  });

  test("a share: SPLIT by the user's place, the same by baggage, and an error without a user", () => {
    const rules = [{ percent: 30, variant: "on" }];
    const flag = flagOf("share", { variants: onOff, default: "off", sticky: { cookie: "who" }, rules });
    const { member } = cohortMember({ cookie: "who" });
    for (const user of ["ann", "bob", "cy", "dora", "eve", "fay"]) {
      const on = cohortPoint("shop/share", user) >= 7000;
      const expected = { ok: true, variant: on ? "on" : "off", reason: "SPLIT" };
      expect(ask(flag, { targetingKey: user })).toMatchObject(expected);
      expect(ask(flag, { cookies: { who: user } })).toMatchObject(expected);
      expect(ask(flag, { headers: { Baggage: `a=b, ${member}=${cohortValue(user)};p=1` } })).toMatchObject(expected);
    }
    expect(ask(flag, {})).toMatchObject({ ok: false, errorCode: "TARGETING_KEY_MISSING" });
    expect(ask(flagOf("all", { ...flag.spec, key: "all", rules: [{ percent: 100, variant: "on" }] }), {})).toMatchObject({
      variant: "on",
      reason: "SPLIT",
    });
  });

  test("a version that no step has released doesn't act, and an empty one gives its share away", () => {
    const flag = flagOf("share", { variants: onOff, default: "off", sticky: { cookie: "who" }, rules: [{ percent: 100, variant: "on" }] });
    const waiting = withFlags(releaseOf("catalog", 0), [flag], []);
    expect(ask(flag, { targetingKey: "ann" }, waiting)).toMatchObject({ variant: "off", reason: "DEFAULT", version: "v1" });
    const released = withFlags(releaseOf("catalog", 0), [flag], [{ name: "share", variant: "on" }]);
    expect(ask(flag, { targetingKey: "ann" }, released)).toMatchObject({ variant: "on", version: "v2" });
    const empty: FlagWorld = { ...world(withFlags(releaseOf("catalog", 0), [flag], [{ name: "share", variant: "on" }])) };
    const answer = evaluateFlag(flag, contextOf({ targetingKey: "ann" }), { ...empty, isUsable: ({ version }) => version !== "v2" });
    // All was the empty arm's: as proxies, it stays.
    expect(answer).toMatchObject({ variant: "on" });
  });
});

test.each([
  [["true", "false"], true],
  [["1", "-2.5e3"], 1],
  [['{"a":1}', "{}"], { a: 1 }],
  [["true", "maybe"], "true"],
  [["01", "2"], "01"],
  [['{"a":1}', "[]"], '{"a":1}'],
  [["", "x"], ""],
])("values %j are typed", (values, expected) => {
  const variants = Object.fromEntries(values.map((value, index) => [`v${index}`, { value }]));
  expect(ask(flagOf("typed", { variants, default: "v0" }), {})).toMatchObject({ value: expected });
});

const junk = fc.oneof(
  fc.anything(),
  fc.record({ context: fc.anything() }),
  fc.record({ context: fc.dictionary(fc.string(), fc.anything()) }),
);
const named = fc.constantFrom("headers", "cookies", "query", "claims", "source", "targetingKey", "path", "userAgent", "__proto__");

test("junk is refused or read, never thrown", () => {
  const flag = flagOf("cart", {
    variants: onOff,
    default: "off",
    sticky: { claim: "sub" },
    rules: [
      { match: { ...beta, cookies: { a: { regex: ".*" } }, queryParams: { b: {} }, claims: { c: { prefix: "" } } }, variant: "on" },
      { percent: 50, variant: "on" },
    ],
  });
  fc.assert(
    fc.property(
      fc.oneof(
        junk,
        fc.dictionary(named, fc.anything()).map((context) => ({ context })),
      ),
      (body) => {
        const result = parseFlagContext(body);
        if (result.ok) evaluateFlag(flag, result.context, world(withFlags(unreleased(flag), [flag], [])));
      },
    ),
    { seed: 1, numRuns: 500 },
  );
  expect(parseFlagContext({})).toMatchObject({ ok: true });
  expect(parseFlagContext([])).toMatchObject({ ok: false, errorCode: "PARSE_ERROR" });
  expect(parseFlagContext({ context: { headers: 5 } })).toMatchObject({ ok: false, errorCode: "INVALID_CONTEXT" });
  expect(parseFlagContext({ context: JSON.parse('{"headers": {"__proto__": "x"}}') })).toMatchObject({ ok: true });
});

const text = fc.constantFrom("yes", "no", "", "a b", "sätze");
const match = fc.oneof(
  text.map((exact) => ({ exact })),
  fc.constantFrom("y", "a", "").map((prefix) => ({ prefix })),
  fc.constantFrom("y.*|no", "*", "[a-z]+").map((regex) => ({ regex })),
);
const presence = fc.oneof(match, fc.constant({}));
const one = <Value>(name: string, value: fc.Arbitrary<Value>) => fc.record({ [name]: value }, { requiredKeys: [] });
const audience = fc
  .record(
    {
      headers: one("X-Beta", presence),
      cookies: one(
        "ring",
        match.filter((given) => !("regex" in given && given.regex === "*")),
      ),
      queryParams: one("try", presence),
      userAgent: match,
      claims: one("group", match),
      sourceLabels: fc.constantFrom({ app: "client" }, { app: "other" }),
      sourceNamespace: fc.constantFrom("shop", "elsewhere"),
    },
    { requiredKeys: [] },
  )
  .filter((conditions) => Object.keys(conditions).length > 0);
const variant = fc.constantFrom("on", "off", "third");
const rule = fc.oneof(fc.record({ match: audience, variant }), fc.record({ percent: fc.integer({ min: 0, max: 33 }), variant }));
const rules = fc.array(rule, { maxLength: 3 });
const request = fc.record(
  {
    headers: fc.record({ "x-beta": text, "user-agent": text }, { requiredKeys: [] }),
    cookies: fc.record({ ring: text }, { requiredKeys: [] }),
    query: fc.record({ try: text }, { requiredKeys: [] }),
    claims: fc.record({ group: fc.oneof(text, fc.array(text, { maxLength: 2 })) }, { requiredKeys: [] }),
  },
  { requiredKeys: ["headers"] },
);
const variants = { on: { value: "on", version: "v2" }, off: { value: "off" }, third: { value: "third", version: "v1" } };

test("evaluation agrees with the routes: header and version", () => {
  const { member } = cohortMember({ cookie: "who" });
  const user = fc.integer({ min: 0, max: 10_000 }).map((number) => `user-${number}`);
  fc.assert(
    fc.property(
      rules,
      rules,
      fc.option(fc.nat(10_000)),
      fc.array(fc.tuple(request, user), { minLength: 4, maxLength: 8 }),
      (a, b, share, asked) => {
        const sticky = { cookie: "who" };
        const flags = [
          flagOf("one", { variants, default: "off", sticky, rules: a }),
          flagOf("two", { variants, default: "off", sticky, rules: b }),
        ];
        const [first] = flags;
        if (first === undefined) return;
        const base = share === null ? unreleased(first) : releaseOf("catalog", share, { sticky });
        const route = withFlags(base, flags, [{ name: "one", variant: "on" }]);
        const made = releasedWorld([serviceYaml("catalog", ["v1", "v2"])], [route]);
        const table = tableOf(made);
        for (const [context, name] of asked) {
          const withUser = { ...context, headers: { ...context.headers, baggage: `${member}=${cohortValue(name)}` } };
          const { request: plain } = contextOf(withUser);
          const found = simulate(table, { host: "catalog", ...plain })?.route;
          const weighted = found?.route?.weightedClusters;
          const clusters = weighted?.clusters ?? [];
          const weights = clusters.map(
            (cluster) => made.mesh.runtime.get(`${weighted?.runtimeKeyPrefix}.${cluster.name}`) ?? cluster.weight ?? 0,
          );
          if (clusters.length > 0 && weights.filter((weight) => weight > 0).length > 1 && route.sticky !== undefined)
            expect(weighted?.useHashPolicy).toBe(true);
          const place = cohortPoint(route.name, name);
          const reached = clusters.find((_, index) => place < weights.slice(0, index + 1).reduce((sum, weight) => sum + weight, 0));
          const told = [...(found?.requestHeadersToAdd ?? []), ...(reached?.requestHeadersToAdd ?? [])];
          const cluster = reached?.name ?? found?.route?.cluster ?? "";
          for (const flag of flags) {
            const answer = evaluateFlag(flag, contextOf(withUser), world(route));
            const header = told.findLast(({ header: each }) => each?.key?.toLowerCase() === flagHeader(flag))?.header?.value;
            if (!answer.ok) throw new Error(answer.message);
            expect(answer.value).toBe(header);
            if (answer.version !== undefined) expect(cluster).toContain(`|${answer.version}`);
          }
        }
      },
    ),
    { seed: 20_261_122, numRuns: 80 },
  );
}, 60_000);
