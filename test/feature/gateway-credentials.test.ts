// Where a gateway's certificates come from, on a real Envoy: Secrets that change while connections are open, revocation lists, files.

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../harness/envoy.ts";
import { freePort, startGatewayEnvoy } from "../harness/gateway-envoy.ts";
import {
  certificates,
  client,
  clients,
  gateway,
  routes,
  secret,
  servers,
  serverUri,
  stranger,
  strangers,
  useApplication,
} from "../harness/gateway-tls-world.ts";
import { as, Connection, fingerprint, get } from "../harness/tls-client.ts";

const dayMs = 86_400_000;

useApplication();

test("Secrets change under open connections; bad, expired and deleted ones change nothing and are reported", async () => {
  const port = await freePort();
  let now = Date.now();
  const world = (...secrets: readonly string[]) =>
    [
      gateway([{ name: "https", port, hosts: ["a.example.com"], tls: "{mode: MUTUAL, credentialName: a}" }]),
      routes(["a.example.com"]),
      ...secrets,
    ].join("");
  const cas = { "ca.crt": clients.certificatePem };
  await using running = await startGatewayEnvoy(world(secret("a", certificates.a, cas)), {}, { now: () => now });
  const codes = () => running.findings().map(({ code }) => code);
  const shown = async () => (await get(port, "a.example.com", as(client))).fingerprint;
  const open = await Connection.open(port, { servername: "a.example.com", ...as(client) });
  const modified = () => running.stat("listener_manager.listener_modified");
  const updated = () => running.stat("listener_manager.listener_in_place_updated");

  const next = servers.issue({ uri: serverUri, dnsNames: ["a.example.com"] });
  await running.apply(world(secret("a", next, cas)));
  await expect.poll(shown).toBe(fingerprint(next));
  expect(await open.get("a.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.a) });

  const expired = servers.issue({ uri: serverUri, dnsNames: ["a.example.com"], validMs: { from: now - 2 * dayMs, to: now - dayMs } });
  const bad = [
    secret("a", expired, cas),
    secret("a", { certificatePem: next.certificatePem, keyPem: certificates.b.keyPem }, cas),
    secret("a", { certificatePem: "nonsense", keyPem: "nonsense" }, { "ca.crt": "nonsense" }),
    secret("a", servers.issue({ uri: serverUri, dnsNames: ["a.example.com"], key: "weak-rsa" }), cas),
  ];
  for (const content of bad) {
    await running.apply(world(content));
    expect(codes()).toContain("LTN1002");
    expect(await shown()).toBe(fingerprint(next));
  }
  await running.apply(world());
  expect(codes()).toEqual(["LTN1002"]);
  expect(await shown()).toBe(fingerprint(next));

  // New CAs admit new clients at once, and no longer the old ones.
  await running.apply(world(secret("a", next, { "ca.crt": strangers.certificatePem })));
  await expect.poll(async () => (await get(port, "a.example.com", as(stranger))).status).toBe(200);
  expect(await get(port, "a.example.com", as(client))).toMatchObject({ status: 0 });
  expect(codes()).toEqual([]);
  now += 0.9 * dayMs;
  await running.apply(world(secret("a", next, { "ca.crt": strangers.certificatePem })));
  expect(codes()).toContain("LTN1003");
  expect(await open.get("a.example.com")).toMatchObject({ status: 200 });
  open.close();
  expect([await modified(), await updated()]).toEqual([0, 0]);
});

test("a client whose certificate the list takes back is refused, and certificates may come from files", async () => {
  const [port, filePort] = [await freePort(), await freePort()];
  await using folder = await temporaryFolder();
  const at = (name: string, text: string): string => {
    const path = join(folder.path, name);
    writeFileSync(path, text);
    return path;
  };
  const revoked = clients.issue({ uri: "spiffe://test/revoked" });
  const list = clients.revocationList([revoked]);
  const files = {
    mode: "MUTUAL",
    serverCertificate: at("a.pem", certificates.a.certificatePem),
    privateKey: at("a.key", certificates.a.keyPem),
    caCertificates: at("ca.pem", clients.certificatePem),
    caCrl: at("ca.crl", list),
  };
  await using _running = await startGatewayEnvoy(
    [
      gateway([
        { name: "secrets", port, hosts: ["a.example.com"], tls: "{mode: MUTUAL, credentialName: a}" },
        { name: "files", port: filePort, hosts: ["a.example.com"], tls: JSON.stringify(files) },
      ]),
      routes(["a.example.com"]),
      secret("a", certificates.a, { "ca.crt": clients.certificatePem, "ca.crl": list }),
    ].join(""),
  );
  for (const each of [port, filePort]) {
    expect(await get(each, "a.example.com", as(client))).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.a) });
    expect(await get(each, "a.example.com", as(revoked))).toMatchObject({ status: 0 });
  }
});

test("a Gateway of another namespace can't take a port from the others with files that aren't there", async () => {
  const port = await freePort();
  const nowhere = "{mode: SIMPLE, serverCertificate: /nowhere, privateKey: /nowhere}";
  await using _running = await startGatewayEnvoy(
    [
      gateway([{ name: "foreign", port, hosts: ["b.example.com"], tls: nowhere }], "foreign").replace(
        "namespace: test",
        "namespace: other",
      ),
      gateway([{ name: "own", port, hosts: ["a.example.com"], tls: "{mode: SIMPLE, credentialName: a}" }]),
      routes(["a.example.com"]),
      secret("a", certificates.a),
    ].join(""),
  );
  expect(await get(port, "a.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.a) });
  expect(await get(port, "b.example.com")).toMatchObject({ status: 0 });
});
