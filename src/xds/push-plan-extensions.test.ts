// The planner's rules about filters that come by ECDS: they change without their listeners, and nothing waits for what nobody asks for.

import { describe, expect, test } from "vitest";
import { Conversation, cluster, host, world } from "../../test/harness/planner-conversation.ts";
import type { EncodedResource, ProxyConfig } from "../envoy/config.ts";
import { contentHash } from "../lib/hash.ts";
import { connected } from "./proxy-events.ts";
import { isAcknowledged, isAcknowledgedOrRefused, progressOf } from "./proxy-status.ts";

function extension(version: number): EncodedResource {
  const bytes = new TextEncoder().encode(`jwt ${version}`);
  return { type: "ecds", name: "jwt", version: contentHash(bytes), bytes, references: [], sources: ["RequestAuthentication test/jwt"] };
}

/** A listener with one filter by ECDS; `version` undefined means that the filter has no configuration. */
function configOf(version: number | undefined, hostVersion = 0): ProxyConfig {
  const config = world({ clusters: [cluster("a")], hosts: [host("h", ["a"], hostVersion)] });
  const named = { type: "ecds", name: "jwt" } as const;
  return {
    ...config,
    listeners: new Map(
      [...config.listeners].map(([name, resource]) => [name, { ...resource, references: [...resource.references, named] }]),
    ),
    extensions: version === undefined ? new Map() : new Map([["jwt", extension(version)]]),
  };
}

/** A proxy that holds everything of its first configuration. */
function settled(config: ProxyConfig): Conversation {
  const c = new Conversation(config);
  c.say("rtds", { subscribe: ["weights"] });
  c.acknowledge("rtds");
  c.say("cds");
  c.say("eds", { subscribe: ["a"] });
  c.acknowledge("cds", "eds");
  c.say("lds");
  c.acknowledge("lds");
  expect(isAcknowledged(c.state, config), "the filter is missing").toBe(false);
  c.say("ecds", { subscribe: ["jwt"] });
  c.say("rds", { subscribe: ["80"] });
  c.acknowledge("ecds", "rds");
  expect(progressOf(c.state, config)).toEqual({ isAcknowledged: true, obstacles: [] });
  c.news();
  return c;
}

describe("a changed filter", () => {
  test("is one response, and touches no listener", () => {
    const c = settled(configOf(0));
    c.desire(configOf(1));
    expect(c.news()).toEqual(["ecds jwt"]);
    expect(isAcknowledged(c.state, configOf(1))).toBe(false);
    c.acknowledge("ecds");
    expect(isAcknowledged(c.state, configOf(1))).toBe(true);
    expect(c.news()).toEqual([]);
  });

  test("waits for no route, and no route for it", () => {
    const c = settled(configOf(0));
    c.desire(configOf(1, 1));
    expect(c.news()).toEqual(["ecds jwt", "rds 80"]);
  });

  test("that isn't acknowledged yet holds up neither routes nor weights", () => {
    const c = settled(configOf(0));
    c.desire(configOf(1));
    expect(c.news()).toEqual(["ecds jwt"]);
    c.desire(configOf(1, 1));
    expect(c.news()).toEqual(["rds 80"]);
    c.desire({ ...configOf(1, 1), runtime: new Map([["lateen.tries", 100]]) });
    expect(c.news()).toEqual(["rtds weights"]);
    c.acknowledge("rds", "rtds");
    expect(c.state.types.ecds.outstanding?.resources.has("jwt")).toBe(true);
  });

  test("that the proxy refuses is reported, and waited for by nobody", () => {
    const c = settled(configOf(0));
    const next = configOf(1);
    c.desire(next);
    c.say("ecds", { nonce: String(c.state.types.ecds.outstanding?.sequence), error: "bad filter" });
    c.at(60_000);
    expect(progressOf(c.state, next).obstacles.map(({ type, resource, kind }) => [type, resource, kind])).toEqual([
      ["ecds", "jwt", "refused"],
    ]);
    expect(isAcknowledgedOrRefused(c.state, next)).toBe(true);
    expect(c.state.types.ecds.accepted.get("jwt")?.version, "the last good one stays").toBe(extension(0).version);
  });
});

test("a filter without configuration is answered once, and comes when it is there", () => {
  const c = settled(configOf(0));
  const fresh = new Conversation(configOf(undefined));
  fresh.say("ecds", { subscribe: ["jwt"] });
  expect(fresh.news()).toEqual(["ecds -jwt"]);
  fresh.acknowledge("ecds");
  fresh.desire(configOf(1));
  expect(fresh.news()).toContain("ecds jwt");
  c.desire(configOf(undefined));
  expect(c.news(), "one that had it keeps it: a proxy without its filter would answer nobody").toEqual([]);
});

test("after a reconnect only a changed filter is sent", () => {
  const c = settled(configOf(0));
  c.state = connected(c.state);
  c.say("ecds", { subscribe: ["jwt"], initialVersions: new Map([["jwt", extension(0).version]]) });
  expect(c.news()).toEqual([]);
  c.desire(configOf(1));
  expect(c.news()).toEqual(["ecds jwt"]);
});
