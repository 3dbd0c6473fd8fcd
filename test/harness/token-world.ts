// A control plane's TLS port that knows its callers by their service-account tokens: two proxies with configuration of their own, tokens for anybody, and
// a record of the tokens that were looked at.

import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { connect } from "node:tls";
import { SecretSchema } from "#envoy/envoy/extensions/transport_sockets/tls/v3/secret_pb.js";
import type { KnownProxy } from "../../src/app/token-identity.ts";
import { authenticateByToken, controlPlaneAudience } from "../../src/app/token-identity.ts";
import { type OwnAuthority, openAuthority } from "../../src/ca/authority.ts";
import { openTokenKeys, type TokenKeys } from "../../src/ca/jwks.ts";
import { systemSurroundings } from "../../src/ca/leaf.ts";
import { type TokenRequest, type TokenService, type TokenSubject, tokenService } from "../../src/ca/tokens.ts";
import { encodeJson } from "../../src/envoy/codec.ts";
import type { EncodedResource, ProxyConfig } from "../../src/envoy/config.ts";
import { type Clock, systemClock } from "../../src/lib/clock.ts";
import { contentHash } from "../../src/lib/hash.ts";
import { bootstrapOf } from "../../src/translate/bootstrap.ts";
import { rootsSecretFile, tokenSecretFile } from "../../src/translate/control-plane-cluster.ts";
import { AdsServer } from "../../src/xds/ads-server.ts";
import type { TlsListener } from "../../src/xds/tls-listener.ts";
import { AdsWorld } from "./ads-world.ts";
import { type RunningEnvoy, startEnvoy, temporaryFolder } from "./envoy.ts";
import { RawAdsClient } from "./raw-ads-client.ts";

export const issuer = "https://kubernetes.default.svc.cluster.local";
/** Of the control plane's certificate. */
export const serverIdentity = { namespace: "istio-system", serviceAccount: "istiod" };
/** By "<namespace>/<pod>". */
export const proxies: Readonly<Record<string, KnownProxy>> = {
  "a/web": { id: "web.a", podUid: "pod-web", serviceAccount: "web" },
  "b/db": { id: "db.b", podUid: "pod-db", serviceAccount: "db" },
};
export const web: TokenSubject = { namespace: "a", serviceAccount: { name: "web", uid: "sa-web" }, pod: { name: "web", uid: "pod-web" } };
export const db: TokenSubject = { namespace: "b", serviceAccount: { name: "db", uid: "sa-db" }, pod: { name: "db", uid: "pod-db" } };

function secret(name: string, text: string): EncodedResource {
  const bytes = encodeJson(SecretSchema, { name, genericSecret: { secret: { inlineString: text } } });
  return { type: "sds", name, version: contentHash(bytes), bytes, references: [], sources: [] };
}

/** A proxy's configuration; "KEY-OF-<owner>" is what nobody else may get. */
export function configOf(owner: string): ProxyConfig {
  const world = new AdsWorld().configOf({ clusters: [{ name: "c", ports: [1] }], hosts: [{ domain: "c.test", split: { c: 10_000 } }] });
  const secrets = [
    secret("default", `KEY-OF-${owner}`),
    secret("ROOTCA", "ROOTS"),
    secret(`kubernetes://${owner}-cert`, `KEY-OF-${owner}`),
  ];
  return { ...world, secrets: new Map(secrets.map((entry) => [entry.name, entry])) };
}

interface PodName {
  readonly podName: string;
  readonly namespace: string;
}

/** Kubernetes and we replace a token by renaming. */
export async function putToken(path: string, token: string): Promise<void> {
  await writeFile(`${path}.new`, token);
  await rename(`${path}.new`, path);
}

/** The clock of whoever counts attempts: it may be made to stand still. */
class StoppableClock implements Clock {
  standsAt: number | undefined;
  readonly now = systemClock.now;
  readonly monotonic = (): number => this.standsAt ?? systemClock.monotonic();
}

interface Parts {
  readonly folder: string;
  readonly authority: OwnAuthority;
  readonly keys: TokenKeys;
  readonly tokens: TokenService;
  readonly ads: AdsServer;
  readonly listener: TlsListener;
  readonly clock: StoppableClock;
  /** Uids of service accounts and pods that aren't any more. */
  readonly dead: Set<string>;
  /** Tokens that were looked at, in order. */
  readonly reviewed: readonly string[];
}

export interface TokenWorld extends Parts, AsyncDisposable {}

/** Starts the port, and a Unix socket of proxy gw.b in the folder. */
export async function startTokenWorld(): Promise<TokenWorld> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder()).path;
  const authority = openAuthority({ directory: join(folder, "ca"), trustDomain: "cluster.local" });
  const keys = openTokenKeys({ directory: join(folder, "keys"), surroundings: systemSurroundings });
  const dead = new Set<string>();
  const isAlive = ({ serviceAccount, pod }: TokenSubject) => !dead.has(serviceAccount.uid) && !dead.has(pod?.uid ?? "");
  const tokens = tokenService({ keys, issuer, isAlive });
  const ads = await startAds(cleanup, folder);
  const reviewed: string[] = [];
  const recorded: Pick<TokenService, "review"> = {
    review: (token, audience) => {
      reviewed.push(token);
      return tokens.review(token, audience);
    },
  };
  const proxyOf = (namespace: string, pod: string) =>
    Object.hasOwn(proxies, `${namespace}/${pod}`) ? proxies[`${namespace}/${pod}`] : undefined;
  const clock = new StoppableClock();
  const listener = await ads.listenTls({
    host: "127.0.0.1",
    port: 0,
    certificate: authority.issue(serverIdentity),
    authenticate: authenticateByToken({ tokens: recorded, proxyOf, clock }),
  });
  const started = cleanup.move();
  const parts: Parts = { folder, authority, keys, tokens, ads, listener, clock, dead, reviewed };
  return { ...parts, [Symbol.asyncDispose]: () => started.disposeAsync() };
}

async function startAds(cleanup: AsyncDisposableStack, folder: string): Promise<AdsServer> {
  const desired = new Map([
    ["web.a", { config: configOf("a"), revision: 1 }],
    ["db.b", { config: configOf("b"), revision: 1 }],
  ]);
  const ads = new AdsServer({ generate: (id) => desired.get(id) });
  cleanup.defer(() => ads.close());
  for (const { id } of Object.values(proxies)) ads.expectProxy(id);
  await ads.openSocket("gw.b", join(folder, "gw.sock"));
  return ads;
}

/** A token for the control plane. */
export async function tokenOf({ tokens }: TokenWorld, subject: TokenSubject, extra: Partial<TokenRequest> = {}): Promise<string> {
  return (await tokens.issue({ ...subject, audiences: [controlPlaneAudience], ...extra })).token;
}

/** A client with these `authorization` headers. */
export function clientOf({ listener, authority }: TokenWorld, authorization: readonly string[]): RawAdsClient {
  return new RawAdsClient({ target: `127.0.0.1:${listener.port}`, rootsPem: authority.trustBundlePem(), headers: { authorization } });
}

/** A real Envoy that reads its token from the folder. */
export async function envoyOf({ folder, authority, listener }: TokenWorld, pod: PodName, tokenFolder: string): Promise<RunningEnvoy> {
  const roots = join(folder, "roots.pem");
  await writeFile(roots, authority.trustBundlePem());
  const [tokenSecretPath, rootsSecretPath] = [join(tokenFolder, "token.json"), join(folder, "roots.json")];
  await writeFile(tokenSecretPath, JSON.stringify(tokenSecretFile({ path: join(tokenFolder, "token"), watchedFolder: tokenFolder })));
  await writeFile(rootsSecretPath, JSON.stringify(rootsSecretFile({ path: roots, watchedFolder: folder })));
  const serverSpiffeId = authority.issue(serverIdentity).spiffeId;
  const xdsTls = { host: "127.0.0.1", port: listener.port, serverSpiffeId, tokenSecretPath, rootsSecretPath };
  return startEnvoy(bootstrapOf({ kind: "sidecar", ...pod, adminPath: "unused", marked: false, xdsTls }), { awaitReady: false });
}

/** The proxy is connected and has acknowledged its configuration. */
export function isCurrent({ ads }: TokenWorld, id: string): boolean {
  return ads.status().some(({ proxyId, isConnected, acknowledgedRevision }) => proxyId === id && isConnected && acknowledgedRevision === 1);
}

/** Serial number of the certificate that the port shows now. */
export function serialShown({ listener }: TokenWorld): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: listener.port, host: "127.0.0.1", rejectUnauthorized: false, ALPNProtocols: ["h2"] }, () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
    socket.once("error", reject);
  });
}
