import { expect, test } from "vitest";
import { decideDnsReply, dnsTableOf } from "./dns-answer.ts";

const table = dnsTableOf([
  { host: "Reviews.default.svc.cluster.local.", addresses: ["198.19.0.1"], ports: [{ name: "http", protocol: "tcp", port: 9080 }] },
  { host: "reviews.prod.svc.cluster.local", addresses: ["198.19.0.2"] },
  { host: "db.default.svc.cluster.local", addresses: ["198.18.0.5", "198.18.0.6"] },
  { host: "*.example.com", addresses: ["240.240.0.1"] },
  { host: "*.api.example.com", addresses: ["240.240.0.2"] },
  { host: "api.example.com", addresses: ["240.240.0.3", "2001:db8::1"] },
]);

const ask = (name: string, type = "A", namespace = "default"): unknown => {
  const reply = decideDnsReply(table, { name, type }, namespace);
  if (reply === undefined) return "forward";
  return reply.responseCode === 0
    ? reply.answers.map((record) => ("data" in record ? record.data : `${record.target}:${record.port}`))
    : reply.responseCode;
};

const nameError = 3;

test.each([
  ["reviews", ["198.19.0.1"]],
  ["reviews.default", ["198.19.0.1"]],
  ["reviews.default.svc", ["198.19.0.1"]],
  ["reviews.default.svc.cluster.local", ["198.19.0.1"]],
  ["reviews.prod", ["198.19.0.2"]],
  ["db", ["198.18.0.5", "198.18.0.6"]],
  ["a.example.com", ["240.240.0.1"]],
  ["b.a.example.com", ["240.240.0.1"]],
  ["x.api.example.com", ["240.240.0.2"]],
  ["api.example.com", ["240.240.0.3"]],
  ["example.com", "forward"],
  ["nothing", nameError],
  ["nothing.default.svc.cluster.local", nameError],
  // What a resolver's search list makes of a name outside: ours to refuse, never forwarded.
  ["api.example.com.default.svc.cluster.local", nameError],
  ["cluster.local", nameError],
  ["www.kernel.org", "forward"],
  ["localhost", ["127.0.0.1"]],
])("A %s", (name, expected) => {
  expect(ask(name)).toEqual(expected);
});

test("the pod's namespace decides what a short name means", () => {
  expect(ask("reviews", "A", "prod")).toEqual(["198.19.0.2"]);
  expect(ask("db", "A", "prod")).toBe(nameError);
});

test("a known name without records of the type is empty, not unknown", () => {
  expect(ask("reviews", "AAAA")).toEqual([]);
  expect(ask("reviews", "MX")).toEqual([]);
  expect(ask("api.example.com", "AAAA")).toEqual(["2001:db8::1"]);
});

test("SRV of named ports", () => {
  expect(ask("_http._tcp.reviews.default.svc.cluster.local", "SRV")).toEqual(["reviews.default.svc.cluster.local:9080"]);
  expect(ask("_grpc._tcp.reviews.default.svc.cluster.local", "SRV")).toBe(nameError);
});

test("PTR of service and pod addresses; others are the host's", () => {
  expect(ask("1.0.19.198.in-addr.arpa", "PTR")).toEqual(["reviews.default.svc.cluster.local"]);
  expect(ask("9.0.18.198.in-addr.arpa", "PTR")).toBe(nameError);
  expect(ask("8.8.8.8.in-addr.arpa", "PTR")).toBe("forward");
});

test("a name for certain namespaces is told to their pods only, and goes before one for all", () => {
  const limited = dnsTableOf([
    { host: "partner.example", addresses: ["240.240.0.1"] },
    { host: "partner.example", addresses: ["240.240.0.2"], namespaces: ["b", "c"] },
    { host: "only.example", addresses: ["240.240.0.3"], namespaces: ["b"] },
    { host: "*.wild.example", addresses: ["240.240.0.4"], namespaces: ["b"] },
    { host: "nobody.example", addresses: ["240.240.0.5"], namespaces: [] },
  ]);
  const answer = (name: string, namespace: string, type = "A") =>
    decideDnsReply(limited, { name, type }, namespace)?.answers.map((record) => "data" in record && record.data);
  expect([answer("partner.example", "a"), answer("partner.example", "b")]).toEqual([["240.240.0.1"], ["240.240.0.2"]]);
  expect([answer("only.example", "a"), answer("only.example", "b")]).toEqual([undefined, ["240.240.0.3"]]);
  expect([answer("x.wild.example", "a"), answer("x.wild.example", "b")]).toEqual([undefined, ["240.240.0.4"]]);
  expect(answer("nobody.example", "b")).toBeUndefined();
  const pointer = "3.0.240.240.in-addr.arpa";
  expect([answer(pointer, "a", "PTR"), answer(pointer, "b", "PTR")]).toEqual([[], ["only.example"]]);
});
