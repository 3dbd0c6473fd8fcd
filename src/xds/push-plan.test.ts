// The planner's rules one by one, in the words of a small world; histories are in push-plan.property.test.ts.

import { describe, expect, test } from "vitest";
import { Conversation, cluster, host, settled, world } from "../../test/harness/planner-conversation.ts";
import type { EncodedResource, ResourceType } from "../envoy/config.ts";
import { connected } from "./proxy-events.ts";
import { isAcknowledged, isAcknowledgedOrRefused, progressOf } from "./proxy-status.ts";
import { mixedParts } from "./route-mix.ts";

const one = world({ clusters: [cluster("a")], hosts: [host("h", ["a"])] });
const two = world({ clusters: [cluster("a"), cluster("b")], hosts: [host("h", ["a", "b"])] });

describe("adding", () => {
  test("a route waits for its cluster, then for the endpoints of that cluster", () => {
    const c = settled(one);
    c.desire(two);
    expect(c.news()).toEqual(["cds b"]);
    c.acknowledge("cds");
    expect(c.news(), "the proxy has not asked for the endpoints").toEqual([]);
    c.say("eds", { subscribe: ["b"] });
    expect(c.news()).toEqual(["eds b"]);
    c.acknowledge("eds");
    expect(c.news()).toEqual(["rds 80"]);
    expect(isAcknowledged(c.state, two)).toBe(false);
    c.acknowledge("rds");
    expect(isAcknowledged(c.state, two)).toBe(true);
  });

  test("a proxy that does not answer is never sent the next stage", () => {
    const c = settled(one);
    c.desire(two);
    c.news();
    for (let ms = 0; ms < 600_000; ms += 1000) c.at(ms);
    expect(c.news()).toEqual([]);
    expect(progressOf(c.state, two).obstacles.map(({ type, resource, kind }) => [type, resource, kind])).toEqual([
      ["cds", "b", "not_acknowledged"],
      ["eds", "b", "not_asked"],
      ["rds", "80", "not_sent"],
    ]);
  });

  test("other hosts do not wait longer than a moment for one whose cluster does not come", () => {
    const c = settled(one);
    const next = world({ clusters: [cluster("a"), cluster("b")], hosts: [host("h", ["a"], 1), host("slow", ["b"])] });
    c.desire(next);
    c.acknowledge("cds");
    expect(c.news()).toEqual(["cds b"]);
    expect(c.wakeAt).toBe(100);
    c.at(100);
    const [response] = c.sent;
    expect(response?.resources[0]?.composite?.parts.map(({ name }) => name)).toEqual(["h"]);
    expect(c.news()).toEqual(["rds 80"]);
    c.acknowledge("rds");
    c.say("eds", { subscribe: ["b"] });
    c.acknowledge("eds");
    expect(c.news()).toEqual(["eds b", "rds 80"]);
  });

  test("a changed cluster's endpoints are sent again behind it, although nobody asked", () => {
    const c = settled(one);
    c.desire(world({ clusters: [cluster("a", 1)], hosts: [host("h", ["a"], 1)] }));
    expect(c.news()).toEqual(["cds a", "eds a"]);
    c.acknowledge("cds");
    expect(c.news()).toEqual([]);
    c.acknowledge("eds");
    expect(c.news()).toEqual(["rds 80"]);
  });

  test("a route that names a cluster nobody configured is never sent", () => {
    const c = settled(one);
    c.desire(world({ clusters: [cluster("a")], hosts: [host("h", ["a"], 1), host("lost", ["missing"])] }));
    const [response] = c.sent;
    expect(response?.resources[0]?.composite?.parts.map(({ name }) => name)).toEqual(["h"]);
  });
});

describe("removing", () => {
  test("a cluster goes when the route is acknowledged and its grace is over", () => {
    const c = settled(two);
    c.desire(one);
    expect(c.news()).toEqual(["rds 80"]);
    c.at(60_000);
    expect(c.news(), "the route is not acknowledged").toEqual([]);
    c.acknowledge("rds");
    expect(c.wakeAt).toBe(65_000);
    c.at(64_999);
    expect(c.news()).toEqual([]);
    c.at(65_000);
    expect(c.news()).toEqual(["cds -b"]);
    expect(isAcknowledged(c.state, one), "a removal under way is not waited for").toBe(true);
  });

  test("a cluster that is wanted again in time stays", () => {
    const c = settled(two);
    c.desire(one);
    c.acknowledge("rds");
    c.desire(two);
    c.acknowledge("rds");
    c.at(1_000_000);
    expect(c.news()).toEqual(["rds 80", "rds 80"]);
  });

  test("a removed listener's clusters stay while the proxy still uses its routes", () => {
    const c = settled(one);
    c.desire(world({ listeners: [], removalGrace: 0 }));
    expect(c.news()).toEqual(["lds -l"]);
    c.acknowledge("lds");
    c.at(100_000);
    expect(c.news(), "the listener drains").toEqual([]);
    c.say("rds", { unsubscribe: ["80"] });
    c.at(200_000);
    expect(c.news()).toEqual(["cds -a"]);
  });
});

describe("a refused cluster", () => {
  const bad = world({ clusters: [cluster("a"), cluster("b")], hosts: [host("h", ["a"], 1), host("g", ["b"])] });
  const refuse = (c: Conversation) =>
    c.say("cds", { nonce: String(c.state.types.cds.outstanding?.sequence), error: "Error adding/updating cluster(s) b: no" });
  const facts = (c: Conversation) => progressOf(c.state, c.config).obstacles.map(({ type, resource, kind }) => [type, resource, kind]);

  test("that is new holds back what needs it and nothing else, and nobody waits for that", () => {
    const c = settled(one);
    c.desire(bad);
    expect(isAcknowledgedOrRefused(c.state, bad), "sent and not answered").toBe(false);
    refuse(c);
    expect(c.news()).toEqual(["cds b", "rds 80"]);
    expect(isAcknowledgedOrRefused(c.state, bad), "the other host is on its way").toBe(false);
    c.acknowledge("rds");
    expect(facts(c)).toEqual([
      ["cds", "b", "refused"],
      ["eds", "b", "held_back"],
      ["rds", "80, virtual host g", "held_back"],
    ]);
    expect(isAcknowledged(c.state, bad)).toBe(false);
    expect(isAcknowledgedOrRefused(c.state, bad)).toBe(true);
    expect(progressOf(c.state, bad).obstacles[2]?.message).toContain("CDS b, which the proxy refused");
  });

  test("is no excuse for what still waits for another", () => {
    const c = settled(one);
    c.desire(bad);
    refuse(c);
    c.acknowledge("rds");
    const more = world({
      clusters: [cluster("a"), cluster("b"), cluster("c")],
      hosts: [host("h", ["a"], 1), host("g", ["b"]), host("i", ["c"])],
    });
    c.desire(more);
    expect(isAcknowledgedOrRefused(c.state, more)).toBe(false);
    c.acknowledge("cds");
    expect(facts(c)).toContainEqual(["rds", "80", "not_sent"]);
    c.say("eds", { subscribe: ["c"] });
    c.acknowledge("eds");
    expect(isAcknowledgedOrRefused(c.state, more)).toBe(false);
    c.acknowledge("rds");
    expect(isAcknowledgedOrRefused(c.state, more)).toBe(true);
  });

  test("is in force once its correction is", () => {
    const c = settled(one);
    c.desire(bad);
    refuse(c);
    c.acknowledge("rds");
    const good = world({ clusters: [cluster("a"), cluster("b", 1)], hosts: [host("h", ["a"], 1), host("g", ["b"])] });
    c.desire(good);
    expect(isAcknowledgedOrRefused(c.state, good)).toBe(false);
    c.acknowledge("cds");
    c.say("eds", { subscribe: ["b"] });
    c.acknowledge("eds", "rds");
    expect(progressOf(c.state, good).obstacles).toEqual([]);
  });
});

describe("weights", () => {
  const weights = new Map([
    ["w.1.a", 9000],
    ["w.1.b", 1000],
  ]);

  test("are sent at once, whatever waits", () => {
    const c = settled(one);
    c.desire({ ...two, runtime: weights });
    expect(c.news()).toEqual(["rtds weights", "cds b"]);
  });

  test("stay until the route that carries them is acknowledged", () => {
    const c = settled({ ...two, runtime: weights });
    c.desire(world({ clusters: [cluster("a"), cluster("b")], hosts: [host("h", ["a", "b"], 1)] }));
    expect(c.news()).toEqual(["rds 80"]);
    c.acknowledge("rds");
    expect(c.news()).toEqual(["rtds -weights"]);
  });

  test("rise behind the endpoints they need, also where a proxy comes back and asks for its weights first", () => {
    const empty: EncodedResource = { type: "eds", name: "b", version: "none", bytes: new Uint8Array(), references: [], sources: [] };
    const nobody = new Map([
      ["w.1.a", 10_000],
      ["w.1.b", 0],
    ]);
    const c = settled({ ...two, endpoints: new Map([...two.endpoints, ["b", empty]]), runtime: nobody });
    const settledState = c.state;
    const reports = (type: ResourceType) => ({
      initialVersions: new Map([...settledState.types[type].accepted].map(([name, { version }]) => [name, version])),
    });
    for (const previous of [settledState, undefined]) {
      c.state = connected(previous);
      c.desire({ ...two, runtime: weights });
      c.say("rtds", { ...reports("rtds"), subscribe: ["weights"] });
      c.say("cds", reports("cds"));
      expect(c.news()).toEqual([]);
      c.say("eds", { ...reports("eds"), subscribe: ["a", "b"] });
      expect(c.news()).toEqual(["eds b"]);
      c.acknowledge("eds");
      expect(c.news()).toEqual(["rtds weights"]);
    }
  });

  test("an invalid split is reported and keeps its last weights", () => {
    const c = settled({ ...two, runtime: weights });
    const bad = {
      ...two,
      runtime: new Map([
        ["w.1.a", 9000],
        ["w.1.b", 900],
      ]),
    };
    c.desire(bad);
    expect(c.news()).toEqual([]);
    expect(progressOf(c.state, bad).obstacles).toMatchObject([{ type: "rtds", kind: "refused" }]);
  });
});

describe("the protocol", () => {
  test("endpoints that do not exist are answered, so that warming ends", () => {
    const c = new Conversation({ ...one, endpoints: new Map() });
    c.say("cds");
    c.say("eds", { subscribe: ["a"] });
    expect(c.news()).toEqual(["cds a", "eds -a"]);
  });

  test("an empty wildcard is answered", () => {
    const c = new Conversation(world({ listeners: [] }));
    c.say("cds");
    c.say("lds");
    expect(c.news()).toEqual(["cds", "lds"]);
  });

  test("a known name asked for again is answered in full, also with a stale nonce", () => {
    const c = settled(one);
    c.say("eds", { subscribe: ["a"], nonce: "1" });
    expect(c.news()).toEqual(["eds a"]);
  });

  test("after a reconnect nothing that is still right is sent", () => {
    const c = settled(one);
    const reports = (type: ResourceType) => ({
      initialVersions: new Map([...c.state.types[type].accepted].map(([name, { version }]) => [name, version])),
    });
    const before = { cds: reports("cds"), eds: reports("eds"), lds: reports("lds"), rds: reports("rds") };
    for (const previous of [c.state, undefined]) {
      c.state = connected(previous);
      c.say("cds", before.cds);
      c.say("eds", { ...before.eds, subscribe: ["a"] });
      c.say("lds", before.lds);
      c.say("rds", { ...before.rds, subscribe: ["80"] });
      c.say("rtds", { subscribe: ["weights"] });
      expect(c.news()).toEqual(["rtds -weights"]);
      c.acknowledge("rtds");
      expect(isAcknowledged(c.state, one)).toBe(true);
    }
  });
});

test("no domain stands in two parts of a mix, and none vanishes because its new part waits", () => {
  const part = (name: string, version: string, domains: readonly string[]) => ({
    name,
    version,
    domains,
    bytes: new Uint8Array(),
    references: [],
    sources: [],
  });
  const names = (parts: ReturnType<typeof mixedParts>) => parts.map(({ name, version }) => `${name}@${version}`);
  const before = [part("x", "1", ["d"]), part("y", "1", ["e"]), part("z", "1", ["f"])];
  const swapped = [part("x", "2", ["e"]), part("y", "2", ["d"]), part("z", "2", ["f"])];
  expect(names(mixedParts(swapped, before, new Set(["x"])))).toEqual(["x@1", "y@1", "z@2"]);
  const renamed = [part("n", "1", ["d"]), part("z", "2", ["f"])];
  expect(names(mixedParts(renamed, before, new Set(["n"])))).toEqual(["z@2", "x@1"]);
});
