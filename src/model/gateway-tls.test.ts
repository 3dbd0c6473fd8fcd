import { describe, expect, test } from "vitest";
import { parsed } from "../../test/harness/world.ts";
import type { Gateway } from "../api/networking/gateway.ts";
import type { GatewayServer } from "./gateway-tls.ts";
import { credentialUses, misdirectedAt, tlsServers } from "./gateway-tls.ts";
import { declaredProtocol } from "./protocol.ts";

interface ServerCase {
  readonly hosts: readonly string[];
  readonly tls?: object;
  readonly protocol?: string;
  readonly port?: number;
}

const simple = { mode: "SIMPLE", credentialName: "c" };
const mutual = { mode: "MUTUAL", credentialName: "c" };

/** One Gateway per server, oldest first. */
function serversOf(...cases: readonly ServerCase[]): readonly GatewayServer[] {
  return cases.flatMap(({ hosts, tls = simple, protocol = "HTTPS", port = 443 }, index) => {
    const document = {
      apiVersion: "networking.istio.io/v1",
      kind: "Gateway",
      metadata: { name: `g${index}`, namespace: "apps" },
      spec: { servers: [{ port: { number: port, name: "p", protocol }, hosts, tls }] },
    };
    const gateway = parsed(document);
    return isGateway(gateway) ? gateway.spec.servers.map((server) => serverOf(gateway, server)) : [];
  });
}

function isGateway(resource: ReturnType<typeof parsed>): resource is Gateway {
  return resource.kind === "Gateway";
}

function serverOf(gateway: Gateway, server: Gateway["spec"]["servers"][number]): GatewayServer {
  const { name, namespace } = gateway.metadata;
  return {
    gateway,
    server,
    gatewayName: `${namespace}/${name}`,
    protocol: declaredProtocol(server.port.protocol),
    bindPort: server.port.number,
  };
}

const context = (id = "edge/c", roots = true) => ({ namespace: "edge", credentials: new Map([[id, { certificate: true, roots }]]) });

function namesOf(servers: readonly GatewayServer[], given = context()): readonly string[] {
  return tlsServers(servers, given).map(({ gatewayName, serverNames }) => `${gatewayName} ${serverNames.join() || "any"}`);
}

describe("which names a server has", () => {
  test("each one once per port and address, the oldest first", () => {
    const servers = serversOf(
      { hosts: ["ns/A.test", "b.test"] },
      { hosts: ["a.test", "./c.test", "*.test"] },
      { hosts: ["*", "c.test"] },
      { hosts: ["a.test", "b.test"] },
      { hosts: ["a.test"], port: 444 },
    );
    expect(namesOf(servers)).toEqual(["apps/g0 a.test,b.test", "apps/g1 *.test,c.test", "apps/g2 any", "apps/g4 a.test"]);
  });

  test("none for plaintext and for TLS that goes through", () => {
    expect(namesOf(serversOf({ hosts: ["a"], protocol: "HTTP" }, { hosts: ["a"], tls: { mode: "PASSTHROUGH" } }))).toEqual([]);
    expect(namesOf(serversOf({ hosts: ["a"], tls: { mode: "AUTO_PASSTHROUGH" } }, { hosts: ["a"], tls: {} }))).toEqual([]);
  });

  test("a server without its credential keeps its names from the others", () => {
    const servers = serversOf({ hosts: ["a.test"], tls: mutual }, { hosts: ["a.test"] }, { hosts: ["*"], tls: { mode: "ISTIO_MUTUAL" } });
    expect(namesOf(servers, context("edge/c", false))).toEqual(["apps/g2 any"]);
    expect(namesOf(servers, context("apps/c"))).toEqual(["apps/g2 any"]);
    expect(namesOf(servers)).toEqual(["apps/g0 a.test", "apps/g2 any"]);
  });

  test("files are named by Gateways of the pod's namespace only, and others keep their names from the rest", () => {
    const files = { mode: "SIMPLE", serverCertificate: "/nowhere", privateKey: "/nowhere" };
    const pairs = { mode: "SIMPLE", tlsCertificates: [{ serverCertificate: "/nowhere", privateKey: "/nowhere" }] };
    const servers = serversOf({ hosts: ["a.test"], tls: files }, { hosts: ["b.test"], tls: pairs }, { hosts: ["a.test", "c.test"] });
    const apps = { ...context("apps/c"), namespace: "apps" };
    expect(namesOf(servers)).toEqual(["apps/g2 c.test"]);
    expect(namesOf(servers, apps)).toEqual(["apps/g0 a.test", "apps/g1 b.test", "apps/g2 c.test"]);
    const mixed = { mode: "MUTUAL", credentialName: "c", caCertificates: "/nowhere", caCrl: "/nowhere" };
    const [server] = tlsServers(serversOf({ hosts: ["a"], tls: mixed }), context());
    expect(JSON.stringify([server?.tls.certificates, server?.tls.roots])).not.toContain("nowhere");
  });

  test("of several certificates those that are there", () => {
    const [server] = tlsServers(serversOf({ hosts: ["a"], tls: { mode: "SIMPLE", credentialNames: ["gone", "c"] } }), context());
    expect(server?.tls.certificates).toEqual([{ kind: "secret", credential: "c" }]);
  });
});

test("what a server needs of Secrets", () => {
  const uses = (tls: object) =>
    serversOf({ hosts: ["a"], tls }).flatMap(({ server }) =>
      credentialUses(server).map(({ name, part, path }) => `${part} ${name} ${path.join(".")}`),
    );
  expect(uses(simple)).toEqual(["certificate c tls.credentialName"]);
  expect(uses({ ...mutual, mode: "OPTIONAL_MUTUAL" })).toEqual(["certificate c tls.credentialName", "roots c tls.credentialName"]);
  expect(uses({ ...mutual, caCertCredentialName: "ca" })).toEqual([
    "certificate c tls.credentialName",
    "roots ca tls.caCertCredentialName",
  ]);
  expect(uses({ ...mutual, insecureSkipVerify: true })).toEqual(["certificate c tls.credentialName"]);
  expect(uses({ mode: "MUTUAL", credentialNames: ["x", "y"] })).toEqual([
    "certificate x tls.credentialNames.0",
    "certificate y tls.credentialNames.1",
    "roots x tls.credentialNames.0",
  ]);
  const files = { mode: "MUTUAL", serverCertificate: "/a", privateKey: "/b" };
  expect(uses({ ...files, caCertificates: "/c" })).toEqual([]);
  expect(uses({ ...files, caCertCredentialName: "ca" })).toEqual(["roots ca tls.caCertCredentialName"]);
});

describe("requests for hosts of other servers", () => {
  /** "<421 domains> | <hosts of its own that it must not answer>" of the first server, whose routes have these hosts. */
  function misdirected(ownHosts: readonly string[], ...cases: readonly ServerCase[]): string {
    const servers = serversOf(...cases);
    const [self] = tlsServers(servers, context());
    if (self === undefined) throw new Error("no server");
    const { domains, isForeign } = misdirectedAt(self, servers, ownHosts);
    return `${domains.join()} | ${ownHosts.filter(isForeign).join()}`;
  }

  test.each([
    ["another server's name", ["a.test"], [{ hosts: ["a.test"] }, { hosts: ["b.test", "*.c.test"] }], "*.c.test,b.test | "],
    ["another port's name", ["a.test"], [{ hosts: ["a.test"] }, { hosts: ["b.test"], port: 444 }], " | "],
    ["a name that its routes know", ["a.test", "b.test"], [{ hosts: ["*"] }, { hosts: ["b.test"] }], " | "],
    ["a name that its routes know by a wildcard", ["*.test"], [{ hosts: ["*.test"] }, { hosts: ["b.test"] }], " | "],
    [
      "one of a stricter server",
      ["*.test", "b.test", "c.test"],
      [{ hosts: ["*.test"] }, { hosts: ["b.test"], tls: mutual }],
      "b.test | b.test",
    ],
    [
      "ones of a stricter wildcard",
      ["x.b.test", "a.test"],
      [{ hosts: ["*"] }, { hosts: ["*.b.test"], tls: mutual }],
      "*.b.test | x.b.test",
    ],
    ["a laxer server's", ["*"], [{ hosts: ["*"], tls: mutual }, { hosts: ["b.test"] }], " | "],
    [
      "TLS that goes through",
      ["a.test"],
      [{ hosts: ["a.test"] }, { hosts: ["*", "b.test"], tls: { mode: "PASSTHROUGH" }, protocol: "TLS" }],
      "b.test | ",
    ],
    ["any other", ["a.test"], [{ hosts: ["a.test"] }, { hosts: ["*"] }], "* | "],
  ] as const)("%s", (_name, ownHosts, cases, expected) => {
    expect(misdirected(ownHosts, ...cases)).toBe(expected);
  });
});
