// What a sidecar's inbound listener lets in, by mode, port and client, on a real Envoy; and that changes cost no connection.

import { describe, expect, test } from "vitest";
import { eventually } from "../../../test/harness/eventually.ts";
import type { InboundEnvoy } from "../../../test/harness/inbound-envoy.ts";
import { greeting, startInboundEnvoy } from "../../../test/harness/inbound-envoy.ts";
import type { RawTarget } from "../../../test/harness/raw-http.ts";
import { rawConnection } from "../../../test/harness/raw-http.ts";
import { openExchange } from "../../../test/harness/tcp-exchange.ts";
import type { TestCertificate } from "../../../test/harness/test-identities.ts";
import { testAuthority } from "../../../test/harness/test-identities.ts";

const mode = (value: string, more = ""): string => `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: mode, namespace: a}
spec: {selector: {matchLabels: {app: web}}, mtls: {mode: ${value}}${more}}
`;
const client = "spiffe://cluster.local/ns/b/sa/client";
const httpAlpn = ["istio-http/1.1", "istio"];
const tcpAlpn = ["istio"];

type Tls = NonNullable<RawTarget["tls"]>;
const meshTls = (certificate: TestCertificate | undefined, alpn: readonly string[]): Tls => ({ certificate, serverName: "", alpn });

/** Status of one request. */
async function get(port: number, tls?: Tls, path = "/"): Promise<number> {
  using connection = rawConnection({ port, tls });
  return (await connection.send({ path, host: "web" }).catch(() => ({ status: 0 }))).status;
}

/** Whether bytes come back. */
async function echoes(port: number, tls?: Tls): Promise<boolean> {
  using exchange = openExchange({ port, tls });
  return (await exchange.say("ping\n")) !== "";
}

async function hears(port: number, tls?: Tls): Promise<string> {
  using exchange = openExchange({ port, tls });
  return await exchange.hear();
}

/** What a client gets of each port. */
async function answers({ ports }: InboundEnvoy, certificate: TestCertificate | undefined) {
  const tls = (alpn: readonly string[]) => (certificate === undefined ? undefined : meshTls(certificate, alpn));
  return {
    http: await get(ports.http, tls(httpAlpn)),
    detect: await get(ports.detect, tls(httpAlpn)),
    tcp: await echoes(ports.tcp, tls(tcpAlpn)),
    first: await hears(ports.first, tls(tcpAlpn)),
    undeclared: await echoes(ports.undeclared, tls(tcpAlpn)),
  };
}

const everything = { http: 200, detect: 200, tcp: true, first: greeting, undeclared: true };
const nothing = { http: 0, detect: 0, tcp: false, first: "", undeclared: false };

describe("modes", () => {
  test("PERMISSIVE takes both, STRICT mutual TLS only and says so, DISABLE plaintext only", async () => {
    await using proxy = await startInboundEnvoy(mode("PERMISSIVE"));
    const certificate = proxy.authority.issue({ uri: client });
    expect(await answers(proxy, certificate)).toEqual(everything);
    expect(await answers(proxy, undefined)).toEqual(everything);
    // The application's own TLS: passed through where the port isn't HTTP. It isn't TLS, so its echo ends the handshake.
    proxy.reached.length = 0;
    await echoes(proxy.ports.tcp, meshTls(undefined, ["h2"]));
    await echoes(proxy.ports.http, meshTls(undefined, ["h2"]));
    expect(proxy.reached).toEqual(["tcp"]);

    await proxy.apply(mode("STRICT"));
    expect(await answers(proxy, certificate)).toEqual(everything);
    proxy.reached.length = 0;
    expect(await answers(proxy, undefined)).toEqual(nothing);
    expect(await echoes(proxy.ports.tcp, meshTls(undefined, ["h2"]))).toBe(false);
    expect(proxy.reached).toEqual([]);
    await eventually(async () => {
      const lines = (await proxy.accessLog()).filter((line) =>
        line.includes("rbac_access_denied_matched_policy[PeerAuthentication-STRICT]"),
      );
      return lines.length >= 5;
    });
    expect((await proxy.stats()).get("tcp.inbound.PeerAuthentication-STRICT.rbac.denied")).toBeGreaterThanOrEqual(5);

    await proxy.apply(mode("DISABLE"));
    expect(await answers(proxy, undefined)).toEqual(everything);
    proxy.reached.length = 0;
    expect(await answers(proxy, certificate)).toMatchObject({ http: 0, tcp: false, undeclared: false });
  });

  test("a port's own mode counts, declared or not", async () => {
    await using proxy = await startInboundEnvoy("");
    const { http, tcp, undeclared } = proxy.ports;
    await proxy.apply(mode("STRICT", `, portLevelMtls: {${http}: {mode: PERMISSIVE}, ${undeclared}: {mode: DISABLE}}`));
    expect(await answers(proxy, undefined)).toEqual({ ...nothing, http: 200, undeclared: true });
    await proxy.apply(mode("DISABLE", `, portLevelMtls: {${tcp}: {mode: STRICT}, ${undeclared}: {mode: STRICT}}`));
    expect(await answers(proxy, undefined)).toEqual({ ...everything, tcp: false, undeclared: false });
    const certificate = proxy.authority.issue({ uri: client });
    expect(await answers(proxy, certificate)).toMatchObject({ tcp: true, undeclared: true });
  });

  test("connections by mutual TLS outlive every change between PERMISSIVE and STRICT", async () => {
    await using proxy = await startInboundEnvoy(mode("PERMISSIVE"));
    const certificate = proxy.authority.issue({ uri: client });
    using kept = rawConnection({ port: proxy.ports.http, tls: meshTls(certificate, httpAlpn) });
    using stream = openExchange({ port: proxy.ports.tcp, tls: meshTls(certificate, tcpAlpn) });
    expect((await kept.send({ path: "/", host: "web" })).status).toBe(200);
    expect(await stream.say("0\n")).toBe("0\n");
    const handshakes = async (): Promise<number> =>
      [...(await proxy.stats())].filter(([name]) => name.endsWith("ssl.handshake")).reduce((sum, [, value]) => sum + value, 0);
    const before = await handshakes();
    for (let round = 1; round <= 10; round += 1) {
      await proxy.apply(mode(round % 2 === 1 ? "STRICT" : "PERMISSIVE"));
      expect((await kept.send({ path: "/", host: "web" })).status).toBe(200);
      expect(await stream.say(`${round}\n`)).toBe(`${round}\n`);
    }
    const stats = await proxy.stats();
    expect(stats.get("listener_manager.listener_in_place_updated")).toBe(10);
    expect(stats.get("listener_manager.listener_create_success")).toBe(11);
    expect(await handshakes()).toBe(before);
  });
});

describe("certificates", () => {
  test("who isn't of the mesh is refused, and log and metric say why", async () => {
    await using proxy = await startInboundEnvoy(mode("PERMISSIVE"));
    const { authority, ports } = proxy;
    const stranger = testAuthority();
    const [now, hour] = [Date.now(), 3_600_000];
    const cases: readonly (readonly [string, TestCertificate | undefined, RegExp])[] = [
      ["expired", authority.issue({ uri: client, validMs: { from: now - 2 * hour, to: now - hour } }), /certificate has expired/],
      [
        "not yet valid",
        authority.issue({ uri: client, validMs: { from: now + hour, to: now + 2 * hour } }),
        /certificate is not yet valid/,
      ],
      ["another root", stranger.issue({ uri: client }), /verify cert failed/i],
      ["self-signed", stranger.selfSigned({ uri: client }), /verify cert failed/i],
      ["another trust domain", authority.issue({ uri: "spiffe://evil/ns/b/sa/client" }), /SAN matcher/],
      ["our trust domain as a prefix of theirs", authority.issue({ uri: "spiffe://cluster.local.evil/ns/b/sa/client" }), /SAN matcher/],
      ["a DNS SAN with a SPIFFE ID", authority.issue({ uri: "spiffe://evil/ns/b/sa/client", dnsNames: [client] }), /SAN matcher/],
      ["none", undefined, /peer.did.not.(?:provide|return)/i],
    ];
    for (const [title, certificate, reason] of cases) {
      const before = (await proxy.accessLog()).length;
      expect([title, await get(ports.http, meshTls(certificate, httpAlpn))]).toEqual([title, 0]);
      expect([title, await echoes(ports.tcp, meshTls(certificate, tcpAlpn))]).toEqual([title, false]);
      const logged = async () => (await proxy.accessLog()).slice(before).filter((line) => reason.test(line.replaceAll("_", " "))).length;
      await eventually(async () => (await logged()) === 2, 30_000, `the log of: ${title}`);
    }
    expect(proxy.reached).toEqual([]);
    const failures = [...(await proxy.stats())].filter(([name]) => name.includes(".ssl.fail_verify_"));
    expect(failures.map(([name, count]) => [name.split(".").at(-1), count])).toEqual([
      ["fail_verify_error", 8],
      ["fail_verify_no_cert", 2],
      ["fail_verify_san", 6],
    ]);
  });

  test("the mesh's oldest TLS version and its aliases hold", async () => {
    const meshTls13 = { minProtocolVersion: "TLSV1_3", cipherSuites: [], ecdhCurves: ["P-256"] } as const;
    await using proxy = await startInboundEnvoy(mode("STRICT"), { meshTls: meshTls13, trustDomainAliases: ["old.example"] });
    const { authority, ports } = proxy;
    const tls = meshTls(authority.issue({ uri: "spiffe://old.example/ns/b/sa/client" }), tcpAlpn);
    expect(await echoes(ports.tcp, tls)).toBe(true);
    expect(await echoes(ports.tcp, { ...tls, maxVersion: "TLSv1.2" })).toBe(false);
    await eventually(async () => (await proxy.accessLog()).some((line) => /UNSUPPORTED.PROTOCOL/.test(line)));
  });
});
