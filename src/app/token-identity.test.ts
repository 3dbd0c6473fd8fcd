// A control plane on a TLS port: a real Envoy with a service-account token gets its configuration, and nobody else gets a byte.

import { createHmac } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { eventually } from "../../test/harness/eventually.ts";
import { RawAdsClient } from "../../test/harness/raw-ads-client.ts";
import {
  clientOf,
  configOf,
  db,
  envoyOf,
  isCurrent,
  issuer,
  proxies,
  putToken,
  serialShown,
  serverIdentity,
  startTokenWorld,
  type TokenWorld,
  tokenOf,
  web,
} from "../../test/harness/token-world.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { systemSurroundings } from "../ca/leaf.ts";
import { tokenService } from "../ca/tokens.ts";
import { systemClock } from "../lib/clock.ts";
import type { TlsListener } from "../xds/tls-listener.ts";
import { authenticateByToken, controlPlaneAudience, isTokenSubjectAlive } from "./token-identity.ts";

let world: TokenWorld;
beforeAll(async () => {
  world = await startTokenWorld();
});
afterAll(() => world?.[Symbol.asyncDispose]());

describe("a real Envoy with a token", () => {
  it("gets its configuration, proves itself again with the renamed token, and keeps its stream when the server's certificate changes", async () => {
    const tokenFolder = join(world.folder, "web");
    await mkdir(tokenFolder);
    const first = await tokenOf(world, web, { lifetimeMs: 4000 });
    const second = await tokenOf(world, web);
    await putToken(join(tokenFolder, "token"), first);
    await using _envoy = await envoyOf(world, { podName: "web", namespace: "a" }, tokenFolder);
    await eventually(() => isCurrent(world, "web.a"), 20_000, "the acknowledgement");
    expect(new Set(world.reviewed)).toEqual(new Set([first]));
    await putToken(join(tokenFolder, "token"), second);
    // The stream ends with the first token.
    await eventually(() => world.reviewed.includes(second) && isCurrent(world, "web.a"), 20_000, "a stream with the second token");
    const streams = world.reviewed.length;
    const before = await serialShown(world);
    world.listener.rotate(world.authority.issue(serverIdentity));
    expect(await serialShown(world)).not.toBe(before);
    expect(() => world.listener.rotate({ chainPem: "no", keyPem: "no" })).toThrow();
    expect(await serialShown(world)).not.toBe(before);
    expect(isCurrent(world, "web.a")).toBe(true);
    expect(world.reviewed.length, "no stream was opened anew").toBe(streams);
  });

  it("waits for its token, and believes no server of another name", async () => {
    const tokenFolder = join(world.folder, "db");
    await mkdir(tokenFolder);
    const asked = world.reviewed.length;
    // A workload that got the control plane's address: its certificate is of the same root.
    world.listener.rotate(world.authority.issue({ namespace: "a", serviceAccount: "web" }));
    await using envoy = await envoyOf(world, { podName: "db", namespace: "b" }, tokenFolder);
    const failures = async () => Number(/xds-grpc::[^\n]*::cx_connect_fail::(\d+)/.exec(await envoy.admin("/clusters"))?.[1] ?? 0);
    await eventually(async () => (await failures()) > 1, 20_000, "a refused server");
    world.listener.rotate(world.authority.issue(serverIdentity));
    await eventually(() => envoy.log().includes("Failed to inject credential"), 20_000, "a stream without its token");
    expect(world.reviewed.length).toBe(asked);
    await putToken(join(tokenFolder, "token"), await tokenOf(world, db));
    await eventually(() => isCurrent(world, "db.b"), 20_000, "the acknowledgement");
  });
});

describe("a stolen or forged token", () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const cases: readonly [string, string, () => Promise<readonly string[]>][] = [
    ["none", "no token", async () => []],
    ["two", "token: malformed", async () => [`Bearer ${await tokenOf(world, web)}, Bearer ${await tokenOf(world, web)}`]],
    ["another scheme", "no token", async () => [`Basic ${await tokenOf(world, web)}`]],
    ["nonsense", "token: malformed", async () => ["Bearer x.y.z"]],
    ["of another audience", "token: audience", async () => [`Bearer ${await tokenOf(world, web, { audiences: ["api"] })}`]],
    ["of no pod", "token: not of a pod", async () => [`Bearer ${await tokenOf(world, { ...web, pod: undefined })}`]],
    ["of an unknown pod", "unknown pod", async () => [`Bearer ${await tokenOf(world, { ...web, pod: { name: "gone", uid: "pod-x" } })}`]],
    [
      "of a pod before it, of the same name",
      "another pod",
      async () => [`Bearer ${await tokenOf(world, { ...web, pod: { name: "web", uid: "pod-old" } })}`],
    ],
    [
      "of another service account",
      "another pod",
      async () => [`Bearer ${await tokenOf(world, { ...web, serviceAccount: { name: "admin", uid: "sa-1" } })}`],
    ],
    [
      "expired",
      "token: expired",
      async () => {
        const past = { clock: { now: () => Date.now() - 7_200_000, monotonic: () => 0 }, randomBytes: systemSurroundings.randomBytes };
        const { token } = await tokenService({ keys: world.keys, issuer, surroundings: past, isAlive: () => true }).issue({
          ...web,
          audiences: [controlPlaneAudience],
        });
        return [`Bearer ${token}`];
      },
    ],
    [
      "with alg none",
      "token: algorithm",
      async () => [`Bearer ${part({ alg: "none", kid: world.keys.signer().kid })}.${(await tokenOf(world, web)).split(".")[1]}.`],
    ],
    [
      "signed with the public key as HS256",
      "token: algorithm",
      async () => {
        const pem = world.keys.verifier(world.keys.signer().kid)?.export({ type: "spki", format: "pem" }).toString() ?? "";
        const text = `${part({ alg: "HS256", kid: world.keys.signer().kid })}.${(await tokenOf(world, web)).split(".")[1]}`;
        return [`Bearer ${text}.${createHmac("sha256", pem).update(text).digest("base64url")}`];
      },
    ],
  ];

  it.each(cases)("%s gets nothing and hears nothing", async (_, reason, authorization) => {
    const before = world.ads.refusals.get(reason) ?? 0;
    using thief = clientOf(world, await authorization());
    for (const type of ["cds", "lds"] as const) thief.ask(type, [], "web.a");
    thief.ask("sds", ["default", "ROOTCA"], "web.a");
    expect(await thief.ended()).toBe("UNAUTHENTICATED");
    expect(thief.details).toBe("the caller is not a known proxy");
    expect(thief.bytes.length).toBe(0);
    expect(world.ads.refusals.get(reason)).toBe(before + 1);
  });

  it.each(["sa-web", "pod-web"])("of a deleted object is refused: %s", async (uid) => {
    const authorization = [`Bearer ${await tokenOf(world, web)}`];
    world.dead.add(uid);
    try {
      using thief = clientOf(world, authorization);
      thief.ask("sds", ["default"], "web.a");
      expect(await thief.ended()).toBe("UNAUTHENTICATED");
      expect(thief.bytes.length).toBe(0);
    } finally {
      world.dead.delete(uid);
    }
  });

  it("of a megabyte is not even read", async () => {
    const asked = world.reviewed.length;
    using thief = clientOf(world, [`Bearer ${"A".repeat(1_000_000)}`]);
    thief.ask("sds", ["default"], "web.a");
    expect(await thief.ended()).not.toBe("OK");
    expect(thief.bytes.length).toBe(0);
    expect(world.reviewed.slice(asked).filter((token) => token.length > 100_000)).toEqual([]);
  });

  it("is looked at a limited number of times", async () => {
    const authorization = [`Bearer ${await tokenOf(world, web, { audiences: ["api"] })}`];
    const asked = world.reviewed.length;
    // As many more as a slow machine's time allows would be looked at.
    world.clock.standsAt = systemClock.monotonic();
    for (let round = 0; round < 20; round += 1) {
      const thieves = Array.from({ length: 8 }, () => clientOf(world, authorization));
      for (const thief of thieves) expect(await thief.ended()).toBe("UNAUTHENTICATED");
      for (const thief of thieves) thief[Symbol.dispose]();
    }
    world.clock.standsAt = undefined;
    expect(world.reviewed.length - asked).toBeLessThanOrEqual(100);
    expect(world.ads.refusals.get("too many attempts")).toBeGreaterThan(0);
  });
});

describe("a proxy that was taken over", () => {
  const others = [
    "kubernetes://b-cert",
    "kubernetes://b-cert-cacert",
    "default~b",
    "b/default",
    "db.b/default",
    "kubernetes://b/b-cert",
    "*",
  ];

  /** The address has been refused often by now: a listener of its own. */
  async function ownListener(): Promise<TlsListener> {
    const proxyOf = () => proxies["a/web"];
    const authenticate = authenticateByToken({ tokens: world.tokens, proxyOf });
    return world.ads.listenTls({ host: "127.0.0.1", port: 0, certificate: world.authority.issue(serverIdentity), authenticate });
  }

  it("gets its own secrets and no byte of another's, whatever names it asks for", async () => {
    const { port } = await ownListener();
    // The other one's are in every cache.
    using warm = new RawAdsClient({ target: `unix:${join(world.folder, "gw.sock")}` });
    world.ads.setDesired("gw.b", { config: configOf("b"), revision: 1 });
    warm.ask("sds", ["default", "kubernetes://b-cert"], "gw.b");
    await eventually(() => warm.names.length === 2, 30_000, "the owner's secrets");
    const headers = { authorization: [`Bearer ${await tokenOf(world, web)}`] };
    using taken = new RawAdsClient({ target: `127.0.0.1:${port}`, rootsPem: world.authority.trustBundlePem(), headers });
    taken.ask("sds", ["ROOTCA", "default", "kubernetes://a-cert", ...others], "web.a");
    await eventually(() => taken.names.length > 0, 30_000, "an answer");
    expect(taken.bytes.toString("latin1")).toContain("KEY-OF-a");
    expect(taken.bytes.toString("latin1")).not.toContain("KEY-OF-b");
    expect(taken.names.filter((name) => !name.startsWith("-")).toSorted()).toEqual(["ROOTCA", "default", "kubernetes://a-cert"]);
  });

  it.each(["db.b", "web.b", "web", ""])("can't be another node: %j", async (nodeId) => {
    const { port } = await ownListener();
    const headers = { authorization: [`Bearer ${await tokenOf(world, web)}`] };
    using taken = new RawAdsClient({ target: `127.0.0.1:${port}`, rootsPem: world.authority.trustBundlePem(), headers });
    taken.ask("sds", ["default"], nodeId);
    expect(await taken.ended()).toBe("PERMISSION_DENIED");
    expect(taken.details).toBe("the node id is not the caller's");
    expect(taken.bytes.length).toBe(0);
  });

  it("can't become another node later", async () => {
    const { port } = await ownListener();
    const headers = { authorization: [`Bearer ${await tokenOf(world, web)}`] };
    using taken = new RawAdsClient({ target: `127.0.0.1:${port}`, rootsPem: world.authority.trustBundlePem(), headers });
    taken.ask("sds", ["ROOTCA"], "web.a");
    await eventually(() => taken.names.length === 1, 30_000, "an answer");
    taken.ask("cds", [], "db.b");
    expect(await taken.ended()).toBe("PERMISSION_DENIED");
    expect(taken.names).toEqual(["ROOTCA"]);
  });
});

describe("isTokenSubjectAlive", () => {
  const objects: Readonly<Record<string, unknown>> = {
    "ServiceAccount/a/web": { metadata: { uid: "sa-web" } },
    "Pod/a/web": { metadata: { uid: "pod-web" }, spec: { serviceAccountName: "web" } },
  };
  const get = (kind: string, namespace: string, name: string) => objects[`${kind}/${namespace}/${name}`];
  const isAlive = isTokenSubjectAlive(() => ({ revision: 1, list: () => [], get }) as unknown as Snapshot);

  it.each([
    [true, web],
    [true, { ...web, pod: undefined }],
    [false, { ...web, pod: { name: "web", uid: "pod-old" } }],
    [false, { ...web, pod: { name: "other", uid: "pod-web" } }],
    [false, { ...web, serviceAccount: { name: "web", uid: "sa-old" } }],
    [false, { ...web, namespace: "b" }],
  ] as const)("%s", (expected, subject) => {
    expect(isAlive(subject)).toBe(expected);
  });
});
