// A control plane on a TLS port: a real Envoy with a service-account token gets its configuration, and nobody else gets a byte.

import { createHmac } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { SecretSchema } from "#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import { AdsWorld } from "../../test/harness/ads-world.ts";
import { type RunningEnvoy, startEnvoy, temporaryFolder } from "../../test/harness/envoy.ts";
import { eventually } from "../../test/harness/eventually.ts";
import { RawAdsClient } from "../../test/harness/raw-ads-client.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { type OwnAuthority, openAuthority } from "../ca/authority.ts";
import { openTokenKeys, type TokenKeys } from "../ca/jwks.ts";
import { systemSurroundings } from "../ca/leaf.ts";
import { type TokenRequest, type TokenService, type TokenSubject, tokenService } from "../ca/tokens.ts";
import { encodeJson } from "../envoy/codec.ts";
import type { EncodedResource, ProxyConfig } from "../envoy/config.ts";
import { systemClock } from "../lib/clock.ts";
import { contentHash } from "../lib/hash.ts";
import { bootstrapOf } from "../translate/bootstrap.ts";
import { rootsSecretFile, tokenSecretFile } from "../translate/control-plane-cluster.ts";
import { AdsServer } from "../xds/ads-server.ts";
import type { TlsListener } from "../xds/tls-listener.ts";
import { authenticateByToken, controlPlaneAudience, isTokenSubjectAlive, type KnownProxy } from "./token-identity.ts";

const issuer = "https://kubernetes.default.svc.cluster.local";
const serverIdentity = { namespace: "istio-system", serviceAccount: "istiod" };
const proxies: Readonly<Record<string, KnownProxy>> = {
  "a/web": { id: "web.a", podUid: "pod-web", serviceAccount: "web" },
  "b/db": { id: "db.b", podUid: "pod-db", serviceAccount: "db" },
};
const web: TokenSubject = { namespace: "a", serviceAccount: { name: "web", uid: "sa-web" }, pod: { name: "web", uid: "pod-web" } };
const db: TokenSubject = { namespace: "b", serviceAccount: { name: "db", uid: "sa-db" }, pod: { name: "db", uid: "pod-db" } };

const cleanup = new AsyncDisposableStack();
const dead = new Set<string>();
const reviewed: string[] = [];
/** While it is set, time stands still for whoever counts attempts. */
let standsAt: number | undefined;
let folder: string;
let authority: OwnAuthority;
let keys: TokenKeys;
let tokens: TokenService;
let ads: AdsServer;
let listener: TlsListener;

function secret(name: string, text: string): EncodedResource {
  const bytes = encodeJson(SecretSchema, { name, genericSecret: { secret: { inlineString: text } } });
  return { type: "sds", name, version: contentHash(bytes), bytes, references: [], sources: [] };
}

function configOf(owner: string): ProxyConfig {
  const world = new AdsWorld().configOf({ clusters: [{ name: "c", ports: [1] }], hosts: [{ domain: "c.test", split: { c: 10_000 } }] });
  const secrets = [
    secret("default", `KEY-OF-${owner}`),
    secret("ROOTCA", "ROOTS"),
    secret(`kubernetes://${owner}-cert`, `KEY-OF-${owner}`),
  ];
  return { ...world, secrets: new Map(secrets.map((entry) => [entry.name, entry])) };
}

beforeAll(async () => {
  folder = cleanup.use(await temporaryFolder()).path;
  authority = openAuthority({ directory: join(folder, "ca"), trustDomain: "cluster.local" });
  keys = openTokenKeys({ directory: join(folder, "keys"), surroundings: systemSurroundings });
  const isAlive = ({ serviceAccount, pod }: TokenSubject) => !dead.has(serviceAccount.uid) && !dead.has(pod?.uid ?? "");
  tokens = tokenService({ keys, issuer, isAlive });
  const desired = new Map([
    ["web.a", { config: configOf("a"), revision: 1 }],
    ["db.b", { config: configOf("b"), revision: 1 }],
  ]);
  ads = new AdsServer({ generate: (id) => desired.get(id) });
  cleanup.defer(() => ads.close());
  for (const { id } of Object.values(proxies)) ads.expectProxy(id);
  await ads.openSocket("gw.b", join(folder, "gw.sock"));
  const recorded: Pick<TokenService, "review"> = {
    review: (token, audience) => {
      reviewed.push(token);
      return tokens.review(token, audience);
    },
  };
  const proxyOf = (namespace: string, pod: string) =>
    Object.hasOwn(proxies, `${namespace}/${pod}`) ? proxies[`${namespace}/${pod}`] : undefined;
  listener = await ads.listenTls({
    host: "127.0.0.1",
    port: 0,
    certificate: authority.issue(serverIdentity),
    authenticate: authenticateByToken({
      tokens: recorded,
      proxyOf,
      clock: { now: systemClock.now, monotonic: () => standsAt ?? systemClock.monotonic() },
    }),
  });
});

afterAll(() => cleanup.disposeAsync());

async function tokenOf(subject: TokenSubject, extra: Partial<TokenRequest> = {}): Promise<string> {
  return (await tokens.issue({ ...subject, audiences: [controlPlaneAudience], ...extra })).token;
}

function client(authorization: readonly string[]): RawAdsClient {
  return new RawAdsClient({ target: `127.0.0.1:${listener.port}`, rootsPem: authority.trustBundlePem(), headers: { authorization } });
}

/** Kubernetes and we replace a token by renaming. */
async function putToken(path: string, token: string): Promise<void> {
  await writeFile(`${path}.new`, token);
  await rename(`${path}.new`, path);
}

async function envoyOf(podName: string, namespace: string, tokenFolder: string): Promise<RunningEnvoy> {
  const roots = join(folder, "roots.pem");
  await writeFile(roots, authority.trustBundlePem());
  const [tokenSecretPath, rootsSecretPath] = [join(tokenFolder, "token.json"), join(folder, "roots.json")];
  await writeFile(tokenSecretPath, JSON.stringify(tokenSecretFile({ path: join(tokenFolder, "token"), watchedFolder: tokenFolder })));
  await writeFile(rootsSecretPath, JSON.stringify(rootsSecretFile({ path: roots, watchedFolder: folder })));
  const serverSpiffeId = authority.issue(serverIdentity).spiffeId;
  const xdsTls = { host: "127.0.0.1", port: listener.port, serverSpiffeId, tokenSecretPath, rootsSecretPath };
  return startEnvoy(bootstrapOf({ kind: "sidecar", podName, namespace, adminPath: "unused", marked: false, xdsTls }), {
    awaitReady: false,
  });
}

const isCurrent = (id: string) =>
  ads.status().some(({ proxyId, isConnected, acknowledgedRevision }) => proxyId === id && isConnected && acknowledgedRevision === 1);

function serialShown(): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: listener.port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.once("error", reject);
  });
}

describe("a real Envoy with a token", () => {
  it("gets its configuration, proves itself again with the renamed token, and keeps its stream when the server's certificate changes", async () => {
    const tokenFolder = join(folder, "web");
    await mkdir(tokenFolder);
    const first = await tokenOf(web, { lifetimeMs: 4000 });
    const second = await tokenOf(web);
    await putToken(join(tokenFolder, "token"), first);
    await using _envoy = await envoyOf("web", "a", tokenFolder);
    await eventually(() => isCurrent("web.a"), 20_000, "the acknowledgement");
    expect(new Set(reviewed)).toEqual(new Set([first]));
    await putToken(join(tokenFolder, "token"), second);
    // The stream ends with the first token.
    await eventually(() => reviewed.includes(second) && isCurrent("web.a"), 20_000, "a stream with the second token");
    const streams = reviewed.length;
    const before = await serialShown();
    listener.rotate(authority.issue(serverIdentity));
    expect(await serialShown()).not.toBe(before);
    expect(() => listener.rotate({ chainPem: "no", keyPem: "no" })).toThrow();
    expect(await serialShown()).not.toBe(before);
    expect(isCurrent("web.a")).toBe(true);
    expect(reviewed.length, "no stream was opened anew").toBe(streams);
  });

  it("waits for its token, and believes no server of another name", async () => {
    const tokenFolder = join(folder, "db");
    await mkdir(tokenFolder);
    const asked = reviewed.length;
    // A workload that got the control plane's address: its certificate is of the same root.
    listener.rotate(authority.issue({ namespace: "a", serviceAccount: "web" }));
    await using envoy = await envoyOf("db", "b", tokenFolder);
    const failures = async () => Number(/xds-grpc::[^\n]*::cx_connect_fail::(\d+)/.exec(await envoy.admin("/clusters"))?.[1] ?? 0);
    await eventually(async () => (await failures()) > 1, 20_000, "a refused server");
    listener.rotate(authority.issue(serverIdentity));
    await eventually(() => envoy.log().includes("Failed to inject credential"), 20_000, "a stream without its token");
    expect(reviewed.length).toBe(asked);
    await putToken(join(tokenFolder, "token"), await tokenOf(db));
    await eventually(() => isCurrent("db.b"), 20_000, "the acknowledgement");
  });
});

describe("a stolen or forged token", () => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const cases: readonly [string, string, () => Promise<readonly string[]>][] = [
    ["none", "no token", async () => []],
    ["two", "token: malformed", async () => [`Bearer ${await tokenOf(web)}, Bearer ${await tokenOf(web)}`]],
    ["another scheme", "no token", async () => [`Basic ${await tokenOf(web)}`]],
    ["nonsense", "token: malformed", async () => ["Bearer x.y.z"]],
    ["of another audience", "token: audience", async () => [`Bearer ${await tokenOf(web, { audiences: ["api"] })}`]],
    ["of no pod", "token: not of a pod", async () => [`Bearer ${await tokenOf({ ...web, pod: undefined })}`]],
    ["of an unknown pod", "unknown pod", async () => [`Bearer ${await tokenOf({ ...web, pod: { name: "gone", uid: "pod-x" } })}`]],
    [
      "of a pod before it, of the same name",
      "another pod",
      async () => [`Bearer ${await tokenOf({ ...web, pod: { name: "web", uid: "pod-old" } })}`],
    ],
    [
      "of another service account",
      "another pod",
      async () => [`Bearer ${await tokenOf({ ...web, serviceAccount: { name: "admin", uid: "sa-1" } })}`],
    ],
    [
      "expired",
      "token: expired",
      async () => {
        const past = { clock: { now: () => Date.now() - 7_200_000, monotonic: () => 0 }, randomBytes: systemSurroundings.randomBytes };
        const { token } = await tokenService({ keys, issuer, surroundings: past, isAlive: () => true }).issue({
          ...web,
          audiences: [controlPlaneAudience],
        });
        return [`Bearer ${token}`];
      },
    ],
    [
      "with alg none",
      "token: algorithm",
      async () => [`Bearer ${part({ alg: "none", kid: keys.signer().kid })}.${(await tokenOf(web)).split(".")[1]}.`],
    ],
    [
      "signed with the public key as HS256",
      "token: algorithm",
      async () => {
        const pem = keys.verifier(keys.signer().kid)?.export({ type: "spki", format: "pem" }).toString() ?? "";
        const text = `${part({ alg: "HS256", kid: keys.signer().kid })}.${(await tokenOf(web)).split(".")[1]}`;
        return [`Bearer ${text}.${createHmac("sha256", pem).update(text).digest("base64url")}`];
      },
    ],
  ];

  it.each(cases)("%s gets nothing and hears nothing", async (_, reason, authorization) => {
    const before = ads.refusals.get(reason) ?? 0;
    using thief = client(await authorization());
    for (const type of ["cds", "lds"] as const) thief.ask(type, [], "web.a");
    thief.ask("sds", ["default", "ROOTCA"], "web.a");
    expect(await thief.ended()).toBe("UNAUTHENTICATED");
    expect(thief.details).toBe("the caller is not a known proxy");
    expect(thief.bytes.length).toBe(0);
    expect(ads.refusals.get(reason)).toBe(before + 1);
  });

  it.each(["sa-web", "pod-web"])("of a deleted object is refused: %s", async (uid) => {
    const authorization = [`Bearer ${await tokenOf(web)}`];
    dead.add(uid);
    try {
      using thief = client(authorization);
      thief.ask("sds", ["default"], "web.a");
      expect(await thief.ended()).toBe("UNAUTHENTICATED");
      expect(thief.bytes.length).toBe(0);
    } finally {
      dead.delete(uid);
    }
  });

  it("of a megabyte is not even read", async () => {
    const asked = reviewed.length;
    using thief = client([`Bearer ${"A".repeat(1_000_000)}`]);
    thief.ask("sds", ["default"], "web.a");
    expect(await thief.ended()).not.toBe("OK");
    expect(thief.bytes.length).toBe(0);
    expect(reviewed.slice(asked).filter((token) => token.length > 100_000)).toEqual([]);
  });

  it("is looked at a limited number of times", async () => {
    const authorization = [`Bearer ${await tokenOf(web, { audiences: ["api"] })}`];
    const asked = reviewed.length;
    // As many more as a slow machine's time allows would be looked at.
    standsAt = systemClock.monotonic();
    for (let round = 0; round < 20; round += 1) {
      const thieves = Array.from({ length: 8 }, () => client(authorization));
      for (const thief of thieves) expect(await thief.ended()).toBe("UNAUTHENTICATED");
      for (const thief of thieves) thief[Symbol.dispose]();
    }
    standsAt = undefined;
    expect(reviewed.length - asked).toBeLessThanOrEqual(100);
    expect(ads.refusals.get("too many attempts")).toBeGreaterThan(0);
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
    const authenticate = authenticateByToken({ tokens, proxyOf });
    return ads.listenTls({ host: "127.0.0.1", port: 0, certificate: authority.issue(serverIdentity), authenticate });
  }

  it("gets its own secrets and no byte of another's, whatever names it asks for", async () => {
    const { port } = await ownListener();
    // The other one's are in every cache.
    using warm = new RawAdsClient({ target: `unix:${join(folder, "gw.sock")}` });
    ads.setDesired("gw.b", { config: configOf("b"), revision: 1 });
    warm.ask("sds", ["default", "kubernetes://b-cert"], "gw.b");
    await eventually(() => warm.names.length === 2, 30_000, "the owner's secrets");
    const headers = { authorization: [`Bearer ${await tokenOf(web)}`] };
    using taken = new RawAdsClient({ target: `127.0.0.1:${port}`, rootsPem: authority.trustBundlePem(), headers });
    taken.ask("sds", ["ROOTCA", "default", "kubernetes://a-cert", ...others], "web.a");
    await eventually(() => taken.names.length > 0, 30_000, "an answer");
    expect(taken.bytes.toString("latin1")).toContain("KEY-OF-a");
    expect(taken.bytes.toString("latin1")).not.toContain("KEY-OF-b");
    expect(taken.names.filter((name) => !name.startsWith("-")).toSorted()).toEqual(["ROOTCA", "default", "kubernetes://a-cert"]);
  });

  it.each(["db.b", "web.b", "web", ""])("can't be another node: %j", async (nodeId) => {
    const { port } = await ownListener();
    const headers = { authorization: [`Bearer ${await tokenOf(web)}`] };
    using taken = new RawAdsClient({ target: `127.0.0.1:${port}`, rootsPem: authority.trustBundlePem(), headers });
    taken.ask("sds", ["default"], nodeId);
    expect(await taken.ended()).toBe("PERMISSION_DENIED");
    expect(taken.details).toBe("the node id is not the caller's");
    expect(taken.bytes.length).toBe(0);
  });

  it("can't become another node later", async () => {
    const { port } = await ownListener();
    const headers = { authorization: [`Bearer ${await tokenOf(web)}`] };
    using taken = new RawAdsClient({ target: `127.0.0.1:${port}`, rootsPem: authority.trustBundlePem(), headers });
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
