// The planner's rules about secrets: what waits for them, what doesn't, and what `apply` is told.

import { describe, expect, test } from "vitest";
import { Conversation, cluster, host, settled, world } from "../../test/harness/planner-conversation.ts";
import type { EncodedResource, ProxyConfig } from "../envoy/config.ts";
import { contentHash } from "../lib/hash.ts";
import { connected } from "./proxy-events.ts";
import { isAcknowledged, isAcknowledgedOrRefused, progressOf } from "./proxy-status.ts";

interface Secrets {
  /** Secret names by cluster. */
  readonly named: Readonly<Record<string, readonly string[]>>;
  /** Versions of those that exist. */
  readonly existing: Readonly<Record<string, number>>;
  /** Of the listener. */
  readonly ofListener?: readonly string[];
}

function secret(name: string, version: number): EncodedResource {
  const bytes = new TextEncoder().encode(`${name} ${version}`);
  return { type: "sds", name, version: contentHash(bytes), bytes, references: [], sources: [`Secret test/${name}`] };
}

function withSecrets(config: ProxyConfig, { named, existing, ofListener = [] }: Secrets): ProxyConfig {
  const references = (names: readonly string[]) => names.map((name) => ({ type: "sds", name }) as const);
  const naming = (resource: EncodedResource, names: readonly string[]): EncodedResource => ({
    ...resource,
    references: [...resource.references, ...references(names)],
  });
  return {
    ...config,
    clusters: new Map([...config.clusters].map(([name, resource]) => [name, naming(resource, named[name] ?? [])])),
    listeners: new Map([...config.listeners].map(([name, resource]) => [name, naming(resource, ofListener)])),
    secrets: new Map(Object.entries(existing).map(([name, version]) => [name, secret(name, version)])),
  };
}

const one = (secrets: Secrets) => withSecrets(world({ clusters: [cluster("a")], hosts: [host("h", ["a"])] }), secrets);
const two = (secrets: Secrets) => withSecrets(world({ clusters: [cluster("a"), cluster("b")], hosts: [host("h", ["a", "b"])] }), secrets);

const own: Secrets = { named: { a: ["default"] }, existing: { default: 0 } };

const kinds = (c: Conversation, config: ProxyConfig) =>
  progressOf(c.state, config).obstacles.map(({ type, resource, kind }) => [type, resource, kind]);

describe("a new cluster", () => {
  const next = two({ named: { a: ["default"], b: ["default", "cert"] }, existing: { default: 0, cert: 0 } });

  test("is not usable before its secret is acknowledged", () => {
    const c = settled(one(own));
    c.desire(next);
    c.acknowledge("cds");
    c.say("eds", { subscribe: ["b"] });
    c.acknowledge("eds");
    expect(c.news()).toEqual(["cds b", "eds b"]);
    c.say("sds", { subscribe: ["cert"] });
    expect(c.news()).toEqual(["sds cert"]);
    c.acknowledge("sds");
    expect(c.news()).toEqual(["rds 80"]);
    c.acknowledge("rds");
    expect(isAcknowledged(c.state, next)).toBe(true);
  });

  test("waits for no secret that the proxy has for another cluster", () => {
    const shared = two({ named: { a: ["default"], b: ["default"] }, existing: { default: 0 } });
    const c = settled(one(own));
    c.desire(shared);
    c.acknowledge("cds");
    c.say("eds", { subscribe: ["b"] });
    c.acknowledge("eds");
    expect(c.news()).toEqual(["cds b", "eds b", "rds 80"]);
  });

  test("whose secret is not there is not waited for once the proxy was told", () => {
    const absent = two({ named: { a: ["default"], b: ["cert"] }, existing: { default: 0 } });
    const c = settled(one(own));
    c.desire(absent);
    c.acknowledge("cds");
    c.say("eds", { subscribe: ["b"] });
    c.acknowledge("eds");
    c.news();
    expect(kinds(c, absent)).toEqual([["rds", "80", "not_sent"]]);
    c.say("sds", { subscribe: ["cert"] });
    expect(c.news()).toEqual(["sds -cert"]);
    c.acknowledge("sds");
    expect(c.news()).toEqual(["rds 80"]);
    c.acknowledge("rds");
    expect(isAcknowledged(c.state, absent)).toBe(true);
    c.desire(next);
    expect(c.news(), "it appears").toContain("sds cert");
  });

  test("whose secret the proxy refuses keeps its routes back, with the reason, and nothing waits for it", () => {
    const c = settled(one(own));
    c.desire(next);
    c.acknowledge("cds");
    c.say("eds", { subscribe: ["b"] });
    c.acknowledge("eds");
    c.say("sds", { subscribe: ["cert"] });
    c.say("sds", { nonce: String(c.state.types.sds.outstanding?.sequence), error: "not a certificate" });
    expect(c.news(), "what it asked for is answered").toEqual(["cds b", "eds b", "sds cert", "sds -cert"]);
    c.acknowledge("sds");
    c.at(60_000);
    expect(kinds(c, next)).toEqual([
      ["sds", "cert", "refused"],
      ["rds", "80, virtual host h", "held_back"],
    ]);
    expect(isAcknowledgedOrRefused(c.state, next)).toBe(true);
    c.desire(two({ named: { a: ["default"], b: ["default", "cert"] }, existing: { default: 0, cert: 1 } }));
    expect(c.news()).toEqual(["sds cert"]);
    c.acknowledge("sds");
    expect(c.news()).toEqual(["rds 80"]);
  });
});

describe("a rotation", () => {
  const rotated: Secrets = { ...own, existing: { default: 1 } };

  test("is one response, and routes do not wait for its acknowledgement", () => {
    const c = settled(one(own));
    const config = withSecrets(world({ clusters: [cluster("a")], hosts: [host("h", ["a"], 1)] }), rotated);
    c.desire(config);
    expect(c.news()).toEqual(["sds default", "rds 80"]);
    expect(isAcknowledged(c.state, config)).toBe(false);
    c.acknowledge("sds", "rds");
    expect(isAcknowledged(c.state, config)).toBe(true);
  });

  test("while a changed cluster warms is sent beside it", () => {
    const c = settled(one(own));
    const config = withSecrets(world({ clusters: [cluster("a", 1)], hosts: [host("h", ["a"], 1)] }), rotated);
    c.desire(config);
    expect(c.news()).toEqual(["cds a", "eds a", "sds default"]);
    c.acknowledge("cds", "eds");
    expect(c.news(), "the secret is still on its way").toEqual(["rds 80"]);
  });

  test("that comes before the first version was acknowledged follows it", () => {
    const c = new Conversation(one(own));
    c.say("cds");
    c.say("sds", { subscribe: ["default"] });
    c.desire(one(rotated));
    expect(c.news()).toEqual(["cds a", "sds default"]);
    c.acknowledge("sds");
    expect(c.news()).toEqual(["sds default"]);
  });

  test("that the proxy refuses leaves the last good secret in use and routes flowing", () => {
    const c = settled(one(own));
    c.desire(one(rotated));
    c.say("sds", { nonce: String(c.state.types.sds.outstanding?.sequence), error: "key and certificate differ" });
    c.news();
    const config = withSecrets(world({ clusters: [cluster("a")], hosts: [host("h", ["a"], 1)] }), rotated);
    c.desire(config);
    expect(c.news().filter((response) => response.startsWith("rds"))).toEqual(["rds 80"]);
    c.acknowledge("rds");
    c.at(60_000);
    expect(kinds(c, config)).toEqual([["sds", "default", "refused"]]);
  });
});

describe("secrets that nobody asks for", () => {
  test("of a listener hold no cluster's routes back", () => {
    const c = settled(one(own));
    const config = withSecrets(world({ clusters: [cluster("a")], hosts: [host("h", ["a"], 1)] }), {
      ...own,
      existing: { default: 0, gateway: 0 },
    });
    c.desire(config);
    expect(c.news()).toEqual(["rds 80"]);
    c.acknowledge("rds");
    expect(isAcknowledged(c.state, config), "nothing names it, so nothing waits for it").toBe(true);
  });

  test("because every cluster that names them was refused are not waited for", () => {
    const config = two({ named: { a: ["default"], b: ["cert"] }, existing: { default: 0, cert: 0 } });
    const c = settled(one(own));
    c.desire(config);
    c.say("cds", { nonce: String(c.state.types.cds.outstanding?.sequence), error: "bad cluster" });
    c.at(60_000);
    expect(isAcknowledgedOrRefused(c.state, config)).toBe(true);
  });
});

test("the secret of a cluster that is removed leaves with the proxy's own unsubscription, and may come back", () => {
  const both = two({ named: { a: ["default"], b: ["cert"] }, existing: { default: 0, cert: 0 } });
  const c = settled(both);
  c.desire(one(own));
  c.acknowledge("rds");
  c.at(10_000);
  expect(c.news()).toEqual(["rds 80", "cds -b"]);
  c.acknowledge("cds");
  c.say("eds", { unsubscribe: ["b"] });
  c.say("sds", { unsubscribe: ["cert"] });
  expect(c.news()).toEqual([]);
  expect(isAcknowledged(c.state, one(own))).toBe(true);
  c.desire(both);
  c.acknowledge("cds");
  c.say("eds", { subscribe: ["b"] });
  c.acknowledge("eds");
  c.say("sds", { subscribe: ["cert"] });
  c.acknowledge("sds");
  expect(c.news()).toEqual(["cds b", "eds b", "sds cert", "rds 80"]);
});

test("after a reconnect only secrets that changed are sent, and routes wait until the proxy said what it has", () => {
  const before = one(own);
  const c = settled(before);
  c.state = connected(c.state);
  const config = withSecrets(world({ clusters: [cluster("a")], hosts: [host("h", ["a"], 1)] }), own);
  c.desire(config);
  const versions = (set: ProxyConfig["clusters"]) => new Map([...set].map(([name, { version }]) => [name, version]));
  c.say("cds", { initialVersions: versions(before.clusters) });
  c.say("eds", { subscribe: ["a"], initialVersions: versions(before.endpoints) });
  c.say("lds", { initialVersions: versions(before.listeners) });
  c.say("rds", { subscribe: ["80"], initialVersions: versions(before.routes) });
  expect(c.news()).toEqual([]);
  c.say("sds", { subscribe: ["default"], initialVersions: versions(before.secrets) });
  expect(c.news()).toEqual(["rds 80"]);
});
