import { expect, test } from "vitest";
import { printPath } from "../../lib/field-path.ts";
import { parseResource } from "../parse.ts";
import { delayPercentOf, destinationsOf, mirrorsOf } from "./destinations.ts";

function virtualService(spec: object) {
  const { resource, diagnostics } = parseResource({
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "web" },
    spec: { hosts: ["web"], ...spec },
  });
  expect(diagnostics).toEqual([]);
  if (resource?.value.kind !== "VirtualService") throw new Error("not read as a VirtualService");
  return resource.value;
}

const to = (host: string) => ({ destination: { host } });

test("every destination is found, with its path", () => {
  const value = virtualService({
    http: [
      { match: [{ uri: { prefix: "/a" } }], route: [to("a"), { ...to("b"), weight: 1 }], mirror: { host: "c" } },
      { route: [to("d")], mirrors: [to("e")] },
    ],
    tcp: [{ route: [to("f")] }],
    tls: [{ match: [{ sniHosts: ["web"] }], route: [to("g")] }],
  });
  expect([...destinationsOf(value)].map(({ path, destination, of }) => `${of} ${printPath(path)} ${destination.host}`)).toEqual([
    "http spec.http[0].route[0].destination a",
    "http spec.http[0].route[1].destination b",
    "mirror spec.http[0].mirror c",
    "http spec.http[1].route[0].destination d",
    "mirror spec.http[1].mirrors[0].destination e",
    "tcp spec.tcp[0].route[0].destination f",
    "tls spec.tls[0].route[0].destination g",
  ]);
});

test.each([
  [{ mirror: { host: "c" } }, [["c", 100]]],
  [{ mirror: { host: "c" }, mirrorPercentage: { value: 0 } }, [["c", 0]]],
  [{ mirror: { host: "c" }, mirrorPercent: 20 }, [["c", 20]]],
  [{ mirror: { host: "c" }, mirror_percent: 30 }, [["c", 30]]],
  [
    { mirrors: [{ ...to("d"), percentage: { value: 0.5 } }, to("e")] },
    [
      ["d", 0.5],
      ["e", 100],
    ],
  ],
  [{}, []],
])("mirrors of %j", (route, expected) => {
  const [http] = virtualService({ http: [{ route: [to("a")], ...route }] }).spec.http;
  expect(http === undefined ? [] : mirrorsOf(http).map(({ destination, percent }) => [destination.host, percent])).toEqual(expected);
});

test("a delay without percentage hits nothing, as Istio acts on it", () => {
  expect(delayPercentOf({})).toBe(0);
  expect(delayPercentOf({ percent: 5 })).toBe(5);
  expect(delayPercentOf({ percent: 5, percentage: { value: 0 } })).toBe(0);
});
