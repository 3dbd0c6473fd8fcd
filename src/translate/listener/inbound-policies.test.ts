// What AuthorizationPolicies do at a sidecar's inbound listener, on a real Envoy over ADS: they touch no listener and no connection that stands,
// and what they refuse bears their name in access log and metrics.

import { expect, test } from "vitest";
import { eventually } from "../../../test/harness/eventually.ts";
import type { InboundEnvoy } from "../../../test/harness/inbound-envoy.ts";
import { greeting, startInboundEnvoy } from "../../../test/harness/inbound-envoy.ts";
import type { RawConnection, RawTarget } from "../../../test/harness/raw-http.ts";
import { rawConnection } from "../../../test/harness/raw-http.ts";
import { openExchange } from "../../../test/harness/tcp-exchange.ts";

const policy = (name: string, spec: string, annotations = ""): string => `
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: ${name}, namespace: a${annotations === "" ? "" : `, annotations: {${annotations}}`}}
spec: ${spec}
---
`;
const friend = "spiffe://cluster.local/ns/b/sa/friend";
const stranger = "spiffe://cluster.local/ns/c/sa/stranger";

function tlsOf(proxy: InboundEnvoy, uri: string, alpn: readonly string[]): NonNullable<RawTarget["tls"]> {
  return { certificate: proxy.authority.issue({ uri }), serverName: "", alpn };
}

function httpAs(proxy: InboundEnvoy, uri: string): RawConnection {
  return rawConnection({ port: proxy.ports.http, tls: tlsOf(proxy, uri, ["istio-http/1.1", "istio"]) });
}

const statusOf = async (connection: RawConnection, path: string): Promise<number> => (await connection.send({ path, host: "web" })).status;

/** What is said, and what comes back. */
async function ask(target: RawTarget): Promise<string> {
  using exchange = openExchange(target);
  return await exchange.say("ping");
}

async function logged(proxy: InboundEnvoy, text: string): Promise<void> {
  await eventually(async () => (await proxy.accessLog()).some((line) => line.includes(text)), 45_000, `a log line with ${text}`);
}

async function denials(proxy: InboundEnvoy): Promise<Readonly<Record<string, number>>> {
  const stats = [...(await proxy.stats())].filter(([name]) => /rbac\..*denied$/.test(name) && !/rbac\.(?:shadow_)?denied$/.test(name));
  return Object.fromEntries(stats.map(([name, value]) => [name.replace(/^.*?rbac\.policy\./, ""), value]));
}

test("HTTP: a refusal names the rule, or the ALLOW policies of which none matched; AUDIT marks, a dry run only counts", async () => {
  await using proxy = await startInboundEnvoy("");
  const created = (await proxy.stats()).get("listener_manager.listener_create_success");
  using known = httpAs(proxy, friend);
  using unknown = httpAs(proxy, stranger);
  expect([await statusOf(known, "/"), await statusOf(unknown, "/")]).toEqual([200, 200]);
  await proxy.apply(
    [
      policy("friends", '{rules: [{from: [{source: {namespaces: ["b"]}}]}]}'),
      policy("readers", '{rules: [{to: [{operation: {paths: ["/public"]}}]}]}'),
      policy("no-admin", '{action: DENY, rules: [{to: [{operation: {paths: ["/x"]}}]}, {to: [{operation: {paths: ["/admin"]}}]}]}'),
      policy("watch", '{action: AUDIT, rules: [{to: [{operation: {paths: ["/watched"]}}]}]}'),
      policy("maybe-deny", '{action: DENY, rules: [{to: [{operation: {paths: ["/tried"]}}]}]}', 'istio.io/dry-run: "true"'),
      policy("maybe-allow", '{rules: [{to: [{operation: {paths: ["/tried"]}}]}]}', 'istio.io/dry-run: "true"'),
    ].join(""),
  );
  expect([await statusOf(known, "/"), await statusOf(known, "/admin"), await statusOf(known, "/watched")]).toEqual([200, 403, 200]);
  expect([await statusOf(unknown, "/"), await statusOf(unknown, "/public"), await statusOf(known, "/tried")]).toEqual([403, 200, 200]);
  await logged(proxy, 'GET /admin HTTP/1.1" 403 - rbac_access_denied_matched_policy[ns[a]-policy[no-admin]-rule[1]]');
  const missed = "ns[a]-policy[friends]-rule[none],ns[a]-policy[readers]-rule[none]";
  await logged(proxy, `rbac_access_denied_matched_policy[${missed}]`);
  await eventually(
    async () => (await proxy.accessLog()).filter((line) => line.includes("/watched") && line.endsWith(" true -")).length === 1,
  );
  expect((await proxy.accessLog()).filter((line) => line.endsWith(" true -")).length).toBe(1);
  expect(await denials(proxy)).toEqual({
    "ns[a]-policy[no-admin]-rule[1].denied": 1,
    [`${missed}.denied`]: 1,
    "ns[a]-policy[maybe-deny]-rule[0].shadow_denied": 1,
    // Everything let in that the policy would not let in: three paths of two clients.
    "ns[a]-policy[maybe-allow]-rule[none].shadow_denied": 3,
  });
  await proxy.apply("");
  expect([await statusOf(known, "/admin"), await statusOf(unknown, "/")]).toEqual([200, 200]);
  const stats = await proxy.stats();
  expect([stats.get("listener_manager.listener_modified"), stats.get("listener_manager.listener_create_success")]).toEqual([
    undefined,
    created,
  ]);
});

test("TCP: policies decide about new connections, by name, and touch neither listener nor standing connections", async () => {
  await using proxy = await startInboundEnvoy("");
  const { ports } = proxy;
  const known: RawTarget = { port: ports.tcp, tls: tlsOf(proxy, friend, ["istio"]) };
  const unknown: RawTarget = { port: ports.tcp, tls: tlsOf(proxy, stranger, ["istio"]) };
  using standing = openExchange(unknown);
  expect(await standing.say("before")).toBe("before");
  await proxy.apply(policy("friends", '{rules: [{from: [{source: {namespaces: ["b"]}}]}]}'));
  expect([await ask(known), await ask(unknown), await ask({ port: ports.tcp })]).toEqual(["ping", "", ""]);
  expect([await ask({ ...known, port: ports.undeclared }), await ask({ ...unknown, port: ports.undeclared })]).toEqual(["ping", ""]);
  // As in Istio: who was let in stays until the connection ends.
  expect(await standing.say("after")).toBe("after");
  await logged(proxy, "rbac_access_denied_matched_policy[ns[a]-policy[friends]-rule[none]]");
  expect((await proxy.stats()).get("tcp.inbound.allowMiss.ns[a]-policy[friends].rbac.denied")).toBe(3);
  await proxy.apply(
    policy("others", '{action: DENY, rules: [{from: [{source: {principals: ["*"]}}]}, {to: [{operation: {ports: ["1"]}}]}]}'),
  );
  expect([await ask(known), await ask({ port: ports.tcp })]).toEqual(["", "ping"]);
  await logged(proxy, "rbac_access_denied_matched_policy[ns[a]-policy[others]-rule[0]]");
  expect((await proxy.stats()).get("tcp.inbound.deny.ns[a]-policy[others].rbac.denied")).toBe(1);
  expect((await proxy.stats()).get("listener_manager.listener_modified")).toBeUndefined();
});

test("TCP: nothing of a refused client reaches the server, but a server that speaks first is heard (Envoy decides at the first byte)", async () => {
  await using proxy = await startInboundEnvoy(policy("nobody", "{}"));
  using exchange = openExchange({ port: proxy.ports.first, tls: tlsOf(proxy, friend, ["istio"]) });
  expect(await exchange.hear()).toBe(greeting);
  expect(await exchange.say("ping")).toBe("");
});

test("HTTP attributes on a port whose protocol is detected act on HTTP, and as on TCP otherwise", async () => {
  await using proxy = await startInboundEnvoy(policy("get", '{rules: [{to: [{operation: {methods: ["GET"]}}]}]}'));
  using http = rawConnection({ port: proxy.ports.detect });
  expect([await statusOf(http, "/"), (await http.send({ method: "PUT", path: "/", host: "web" })).status]).toEqual([200, 403]);
  expect(await ask({ port: proxy.ports.detect })).toBe("");
});

test("x-forwarded-client-cert is the proxy's word: nobody's own gets through, with a certificate or without", async () => {
  await using proxy = await startInboundEnvoy("");
  const forged = [["x-forwarded-client-cert", `By=x;URI=${stranger}`]] as const;
  using plain = rawConnection({ port: proxy.ports.http });
  await plain.send({ path: "/", host: "web", headers: forged });
  expect(proxy.headers()).not.toHaveProperty("x-forwarded-client-cert");
  using mutual = httpAs(proxy, friend);
  await mutual.send({ path: "/", host: "web", headers: forged });
  const told = String(proxy.headers()["x-forwarded-client-cert"]);
  expect(told).toContain(`URI=${friend}`);
  expect(told).toContain("By=spiffe://cluster.local/ns/a/sa/web");
  expect(told).not.toContain(stranger);
});
