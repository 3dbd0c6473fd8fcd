// TLS at gateways on a real Envoy: every mode, with the right client and with wrong ones, and several servers of one port.

import { connect as connectHttp2 } from "node:http2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { freePort, type GatewayEnvoy, startGatewayEnvoy } from "../harness/gateway-envoy.ts";
import { certificates, client, clients, gateway, routes, secret, stranger, useApplication } from "../harness/gateway-tls-world.ts";
import { rawConnection } from "../harness/raw-http.ts";
import { as, Connection, fingerprint, get, getHttp2 } from "../harness/tls-client.ts";

useApplication();

describe("one gateway with a server of every mode", () => {
  let running: GatewayEnvoy;
  const ports = { simple: 0, mutual: 0, optional: 0, http: 0, tls: 0, tcp: 0, mesh: 0 };

  beforeAll(async () => {
    for (const name of Object.keys(ports)) Object.assign(ports, { [name]: await freePort() });
    running = await startGatewayEnvoy(
      [
        gateway([
          { name: "a", port: ports.simple, hosts: ["a.example.com"], tls: "{mode: SIMPLE, credentialNames: [a, a-rsa]}" },
          { name: "b", port: ports.simple, hosts: ["test/b.example.com"], tls: "{mode: SIMPLE, credentialName: b}" },
          { name: "wide", port: ports.simple, hosts: ["*.example.com"], tls: "{mode: SIMPLE, credentialName: wide}" },
          { name: "gone", port: ports.simple, hosts: ["gone.example.com"], tls: "{mode: SIMPLE, credentialName: gone}" },
          { name: "foreign", port: ports.simple, hosts: ["foreign.example.com"], tls: "{mode: SIMPLE, credentialName: foreign}" },
          { name: "mutual", port: ports.mutual, hosts: ["a.example.com"], tls: "{mode: MUTUAL, credentialName: a}" },
          {
            name: "named",
            port: ports.mutual,
            hosts: ["b.example.com"],
            tls: "{mode: MUTUAL, credentialName: b, caCertCredentialName: a, subjectAltNames: [spiffe://test/another]}",
          },
          {
            name: "unchecked",
            port: ports.mutual,
            hosts: ["c.example.com"],
            tls: "{mode: MUTUAL, credentialName: wide, insecureSkipVerify: true}",
          },
          { name: "optional", port: ports.optional, hosts: ["*"], tls: "{mode: OPTIONAL_MUTUAL, credentialName: a}" },
          { name: "http", port: ports.http, hosts: ["a.example.com"], tls: "{httpsRedirect: true}", protocol: "HTTP" },
          { name: "tls", port: ports.tls, hosts: ["a.example.com"], tls: "{mode: SIMPLE, credentialName: a}", protocol: "TLS" },
          {
            name: "old",
            port: ports.tcp,
            hosts: ["*"],
            tls: "{mode: SIMPLE, credentialName: a, maxProtocolVersion: TLSV1_2, cipherSuites: [ECDHE-ECDSA-AES256-GCM-SHA384]}",
          },
          { name: "mesh", port: ports.mesh, hosts: ["*"], tls: "{mode: ISTIO_MUTUAL}" },
        ]),
        routes(["*.example.com", "a.example.com", "b.example.com", "gone.example.com", "foreign.example.com"]),
        `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: stream, namespace: test}
spec: {hosts: [a.example.com], gateways: [gateway], tcp: [{match: [{port: ${ports.tls}}], route: [{destination: {host: app, port: {number: 81}}}]}]}
---
`,
        secret("a", certificates.a),
        secret("a-cacert", undefined, { "ca.crt": clients.certificatePem }),
        secret("a-rsa", certificates.rsa),
        secret("b", certificates.b),
        secret("wide", certificates.wide),
        secret("foreign", certificates.wide, {}, "other"),
      ].join(""),
    );
  });
  afterAll(() => running[Symbol.asyncDispose]());

  test("the certificate is chosen by server name, unknown names and none are refused where no server takes them", async () => {
    expect(await get(ports.simple, "a.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.a) });
    expect(await get(ports.simple, "b.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.b) });
    expect(await get(ports.simple, "c.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.wide) });
    expect(await get(ports.simple, "example.org")).toMatchObject({ status: 0 });
    expect(await get(ports.simple, "a.example.com", { servername: "" })).toMatchObject({ status: 0 });
    expect(await get(ports.optional, "a.example.com", { servername: "" })).toMatchObject({ status: 200 });
  });

  test("clients that know only RSA get the RSA certificate", async () => {
    const options = { maxVersion: "TLSv1.2", ciphers: "ECDHE-RSA-AES128-GCM-SHA256" } as const;
    expect(await get(ports.simple, "a.example.com", options)).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.rsa) });
  });

  test("a server whose Secret is missing, or another namespace's, holds back no other, and is reported", async () => {
    // The wildcard server answers for the connection, and knows these hosts by its wildcard.
    expect(await get(ports.simple, "gone.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.wide) });
    const said = running.findings().filter(({ code }) => code === "LTN1001");
    expect(said.map(({ resource, path }) => `${resource} ${path}`)).toEqual([
      "Gateway test/gateway spec.servers[3].tls.credentialName",
      "Gateway test/gateway spec.servers[4].tls.credentialName",
    ]);
  });

  test("TLS 1.1 is refused, versions and ciphers are as the server says", async () => {
    const legacy = { minVersion: "TLSv1", maxVersion: "TLSv1.1", ciphers: "DEFAULT@SECLEVEL=0" } as const;
    expect(await get(ports.simple, "a.example.com", legacy)).toMatchObject({ status: 0 });
    const old = await Connection.open(ports.tcp, { servername: "a.example.com" });
    expect(old.protocol).toBe("TLSv1.2");
    old.close();
    expect(await get(ports.tcp, "a.example.com", { ciphers: "ECDHE-ECDSA-AES128-GCM-SHA256", maxVersion: "TLSv1.2" })).toMatchObject({
      status: 0,
    });
  });

  test("MUTUAL admits only clients of its CA and with the right name, and tells the application who it is", async () => {
    const admitted = await get(ports.mutual, "a.example.com", as(client));
    expect(admitted.status).toBe(200);
    expect(admitted.body).toContain("URI=spiffe://test/client;DNS=client.example.com");
    expect(await get(ports.mutual, "a.example.com")).toMatchObject({ status: 0 });
    expect(await get(ports.mutual, "a.example.com", as(stranger))).toMatchObject({ status: 0 });
    expect(await get(ports.mutual, "b.example.com", as(client))).toMatchObject({ status: 0 });
    const another = clients.issue({ uri: "spiffe://test/another" });
    expect(await get(ports.mutual, "b.example.com", as(another))).toMatchObject({ status: 200 });
    expect(await get(ports.mutual, "c.example.com", as(stranger))).toMatchObject({ status: 200 });
    expect(await get(ports.mutual, "c.example.com")).toMatchObject({ status: 200 });
    // The name as a DNS SAN's text is not the name.
    const forged = clients.issue({ uri: "spiffe://test/x", dnsNames: ["spiffe://test/another"] });
    expect(await get(ports.mutual, "b.example.com", as(forged))).toMatchObject({ status: 0 });
  });

  test("OPTIONAL_MUTUAL takes clients without certificate, and none with a wrong one", async () => {
    expect(await get(ports.optional, "a.example.com")).toMatchObject({ status: 200 });
    expect((await get(ports.optional, "a.example.com", as(client))).body).toContain("URI=spiffe://test/client");
    expect(await get(ports.optional, "a.example.com", as(stranger))).toMatchObject({ status: 0 });
  });

  test("ISTIO_MUTUAL admits the mesh's workloads only", async () => {
    const admitted = await get(ports.mesh, "a.example.com", as(running.meshCertificate()));
    expect(admitted.status).toBe(200);
    expect(admitted.body).toContain("URI=spiffe://cluster.local/ns/test/sa/default");
    expect(await get(ports.mesh, "a.example.com")).toMatchObject({ status: 0 });
    expect(await get(ports.mesh, "a.example.com", as(client))).toMatchObject({ status: 0 });
  });

  test("plaintext is redirected, HTTP/2 is spoken, and a TLS server hands on the bytes inside", async () => {
    using plain = rawConnection({ port: ports.http });
    expect(await plain.send({ path: "/x", host: "a.example.com" })).toMatchObject({
      status: 301,
      headers: { location: "https://a.example.com/x" },
    });
    const session = connectHttp2(`https://127.0.0.1:${ports.simple}`, { servername: "a.example.com", rejectUnauthorized: false });
    expect(await getHttp2(session, "a.example.com")).toBe(200);
    session.close();
    const stream = await Connection.open(ports.tls, { servername: "a.example.com" });
    expect(await stream.rest()).toBe("hello from tcp\n");
  });
});

describe("servers of one port", () => {
  test("a connection that a browser uses for another server's host gets 421, and a new one the answer", async () => {
    const port = await freePort();
    const both = ["first", "second"];
    const tls = "{mode: SIMPLE, credentialName: wide}";
    await using running = await startGatewayEnvoy(
      [
        gateway([{ name: "https", port, hosts: ["a.example.com"], tls }], "first"),
        gateway([{ name: "https", port, hosts: ["b.example.com"], tls }], "second"),
        routes(["a.example.com", "b.example.com"], both),
        secret("wide", certificates.wide),
      ].join(""),
    );
    expect(running.findings()).toEqual([]);
    const session = connectHttp2(`https://127.0.0.1:${port}`, { servername: "a.example.com", rejectUnauthorized: false });
    expect(await getHttp2(session, "a.example.com")).toBe(200);
    expect(await getHttp2(session, "b.example.com")).toBe(421);
    expect(await getHttp2(session, "c.example.com")).toBe(404);
    session.close();
    expect(await get(port, "b.example.com")).toMatchObject({ status: 200 });
  });

  test("no server answers for a host of one that asks for client certificates, also while that one lacks its Secret", async () => {
    const port = await freePort();
    const world = (roots: string) =>
      [
        gateway([
          { name: "any", port, hosts: ["*"], tls: "{mode: SIMPLE, credentialName: wide}" },
          { name: "inner", port, hosts: ["b.example.com"], tls: "{mode: MUTUAL, credentialName: b}" },
        ]),
        routes(["a.example.com", "b.example.com"]),
        secret("wide", certificates.wide),
        secret("b", certificates.b),
        roots,
      ].join("");
    await using running = await startGatewayEnvoy(world(""));
    expect(await get(port, "a.example.com")).toMatchObject({ status: 200 });
    expect(await get(port, "b.example.com")).toMatchObject({ status: 421 });
    expect(await get(port, "b.example.com", { servername: "a.example.com" })).toMatchObject({ status: 421 });
    // The new server is a chain of its own: who is connected to another one doesn't notice.
    const open = await Connection.open(port, { servername: "a.example.com" });
    await running.apply(world(secret("b-cacert", undefined, { cacert: clients.certificatePem })));
    await expect
      .poll(() => get(port, "b.example.com", as(client)))
      .toMatchObject({ status: 200, fingerprint: fingerprint(certificates.b) });
    expect(await open.get("a.example.com")).toMatchObject({ status: 200 });
    open.close();
    expect(await running.stat("listener_manager.listener_in_place_updated")).toBe(1);
    expect(await get(port, "b.example.com")).toMatchObject({ status: 0 });
    expect(await get(port, "b.example.com", { servername: "a.example.com" })).toMatchObject({ status: 421 });
    // Server and Secret go together.
    const any = { name: "any", port, hosts: ["*"], tls: "{mode: SIMPLE, credentialName: wide}" };
    await running.apply([gateway([any]), routes(["b.example.com"]), secret("wide", certificates.wide)].join(""));
    await expect.poll(() => get(port, "b.example.com")).toMatchObject({ status: 200, fingerprint: fingerprint(certificates.wide) });
  });
});
