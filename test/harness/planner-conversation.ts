// The planner in the words of a small world, and a proxy that is told what to say: for tests of its rules one by one.

import { expect } from "vitest";
import type { ProxyConfig, ResourceType } from "../../src/envoy/config.ts";
import { type ProxyRequest, received } from "../../src/xds/proxy-events.ts";
import { initialState, type ProxyState } from "../../src/xds/proxy-state.ts";
import { progressOf } from "../../src/xds/proxy-status.ts";
import { type PlannedResponse, plan } from "../../src/xds/push-plan.ts";
import { type ConfigDraw, type ContentLine, configOf } from "./simulated-config.ts";

/** A resource, or a part of one. */
export const line = (name: string, fields: Partial<ContentLine> = {}): ContentLine => ({
  name,
  version: 0,
  clusters: [],
  routes: [],
  bad: false,
  ...fields,
});
/** A virtual host of table "80". */
export const host = (name: string, clusters: readonly string[], version = 0) => ({
  ...line(name, { clusters, version }),
  table: "80",
  domain: name,
});
/** A cluster; another version is another content. */
export const cluster = (name: string, version = 0) => ({ name, version, bad: false });

/** A configuration with one listener that uses table "80". */
export function world(fields: Partial<ConfigDraw>): ProxyConfig {
  const blank = {
    clusters: [],
    endpointVersion: 0,
    listeners: [line("l", { routes: ["80"] })],
    hosts: [],
    weights: new Map(),
    removalGrace: 5000,
  };
  return configOf({ ...blank, ...fields });
}

/** A proxy that is told what to say. */
export class Conversation {
  state: ProxyState = initialState;
  config: ProxyConfig;
  now = 0;
  wakeAt: number | undefined;
  readonly sent: PlannedResponse[] = [];

  constructor(config: ProxyConfig) {
    this.config = config;
  }

  say(type: ResourceType, fields: Partial<ProxyRequest> = {}): void {
    const blank = { subscribe: [], unsubscribe: [], initialVersions: new Map(), nonce: "", error: undefined };
    this.state = received(this.state, { type, ...blank, ...fields }, this.config);
    this.step();
  }

  desire(config: ProxyConfig): void {
    this.config = config;
    this.step();
  }

  at(ms: number): void {
    this.now = ms;
    this.step();
  }

  step(): void {
    const next = plan(this.state, this.config, this.now);
    this.state = next.state;
    this.wakeAt = next.wakeAt;
    this.sent.push(...next.responses);
  }

  acknowledge(...types: readonly ResourceType[]): void {
    for (const type of types) this.say(type, { nonce: String(this.state.types[type].outstanding?.sequence) });
  }

  /** What was sent since the last call. */
  news(): readonly string[] {
    return this.sent
      .splice(0)
      .map(({ type, resources, removed }) => [type, ...resources.map(({ name }) => name), ...removed.map((name) => `-${name}`)].join(" "));
  }
}

/** A proxy that holds everything of its first configuration. */
export function settled(config: ProxyConfig): Conversation {
  const c = new Conversation(config);
  c.say("rtds", { subscribe: ["weights"] });
  c.acknowledge("rtds");
  c.say("cds");
  c.say("eds", { subscribe: [...config.endpoints.keys()] });
  c.acknowledge("cds", "eds");
  if (config.secrets.size > 0) {
    c.say("sds", { subscribe: [...config.secrets.keys()] });
    c.acknowledge("sds");
  }
  c.say("lds");
  c.say("rds", { subscribe: ["80"] });
  c.acknowledge("lds", "rds");
  expect(progressOf(c.state, config)).toEqual({ isAcknowledged: true, obstacles: [] });
  c.news();
  return c;
}
