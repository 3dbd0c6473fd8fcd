// Protocols through real sidecars: HTTP/2 and gRPC by port name and appProtocol, detection on undeclared ports, servers that speak first,
// headless services, and a pod that calls itself through its own Service.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { binomialBounds } from "../harness/binomial.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { routesYaml, shares, subsetsYaml, to, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

/** A Service with one port, in front of the server's HTTP/2 port. */
const declared = (service: string, port: object): string => serviceYaml(service, { app: "server", ports: [{ ...port, targetPort: 8081 }] });

beforeAll(async () => {
  const retries = { attempts: 0 };
  const manifests = yamlOf(
    appYaml("client", ["v1"]),
    appYaml("server", ["v1", "v2"]),
    appYaml("solo", ["v1"]),
    declared("grpc-name", { name: "grpc-api", port: 81 }),
    declared("grpc-app", { name: "api", port: 81, appProtocol: "grpc" }),
    declared("h2-name", { name: "http2", port: 82 }),
    declared("h2-app", { name: "api", port: 82, appProtocol: "kubernetes.io/h2c" }),
    declared("h2-undeclared", { name: "api", port: 82 }),
    subsetsYaml("grpc-name"),
    routesYaml("grpc-name", [
      {
        match: [{ uri: { exact: "/test.Test/Abort" } }],
        fault: { abort: { grpcStatus: "UNAVAILABLE", percentage: { value: 100 } } },
        ...to("grpc-name"),
      },
      { match: [{ headers: { "x-tester": { exact: "one" } } }], ...to("grpc-name", "v2") },
      { match: [{ uri: { prefix: "/test.Shares/" } }], retries, ...shares("grpc-name", { v1: 75, v2: 25 }) },
      { retries, ...to("grpc-name", "v1") },
    ]),
    serviceYaml("auto", {
      app: "server",
      ports: [
        { name: "web", port: 8000, targetPort: 8080 },
        { name: "lines", port: 8002, targetPort: 8082 },
      ],
    }),
    subsetsYaml("auto"),
    routesYaml("auto", [{ match: [{ headers: { "x-tester": {} } }], ...to("auto", "v2") }, to("auto", "v1")]),
    // Well-known ports of servers that speak first are TCP without a word.
    serviceYaml("mysql", { app: "server", ports: [{ name: "db", port: 3306, targetPort: 8082 }] }),
    serviceYaml("app-tcp", { app: "server", ports: [{ name: "api", port: 83, targetPort: 8082, appProtocol: "tcp" }] }),
    serviceYaml("headless", {
      app: "server",
      spec: { clusterIP: "None" },
      ports: [
        { name: "http", port: 8080, targetPort: 8080 },
        { name: "tcp", port: 8082, targetPort: 8082 },
      ],
    }),
    subsetsYaml("headless"),
    routesYaml("headless", [{ match: [{ headers: { "x-tester": {} } }], ...to("headless", "v2") }, to("headless", "v1")]),
  );
  mesh = await TestMesh.start({ manifests });
});
afterAll(async () => {
  await mesh?.close();
});

interface GrpcReply {
  readonly status: number;
  readonly grpcStatus: string;
  readonly servedBy: string;
  readonly bytes: number;
}

const grpc = async (origin: string, request: Readonly<Record<string, unknown>> = {}): Promise<GrpcReply> =>
  (await mesh.run("client", { kind: "grpc", origin: `http://${origin}`, ...request })) as GrpcReply;
const greeting = async (host: string, port: number, app = "client"): Promise<string> =>
  String(Object(await mesh.run(app, { kind: "tcp-once", host, port })).text);

describe("gRPC", () => {
  it.each(["grpc-name:81", "grpc-app:81", "server:81"])("%s: answers, trailers and statuses pass", async (origin) => {
    expect(await grpc(origin)).toMatchObject({ status: 200, grpcStatus: "0", bytes: 5 });
    expect(await grpc(origin, { headers: { "x-want-grpc-status": "7" } })).toMatchObject({ status: 200, grpcStatus: "7" });
  });

  it("calls are routed one by one on one connection", async () => {
    expect((await grpc("grpc-name:81", { headers: { "x-tester": "one" } })).servedBy).toBe("v2");
    const burst = Object(
      await mesh.run("client", { kind: "grpc-burst", origin: "http://grpc-name:81", path: "/test.Shares/Call", count: 1000 }),
    );
    const { min, max } = binomialBounds(1000, 0.25);
    expect(burst.byStatus).toEqual({ 0: 1000 });
    expect(burst.byVersion.v2).toBeGreaterThanOrEqual(min);
    expect(burst.byVersion.v2).toBeLessThanOrEqual(max);
  });

  it("a fault is a gRPC status", async () => {
    expect(await grpc("grpc-name:81", { path: "/test.Test/Abort" })).toMatchObject({ status: 200, grpcStatus: "14" });
  });

  it("a missing upstream is the status UNAVAILABLE", async () => {
    await mesh.apply(serviceYaml("nobody"));
    expect(await grpc("nobody:81")).toMatchObject({ status: 200, grpcStatus: "14" });
  });
});

describe("HTTP/2", () => {
  it.each(["h2-name:82", "h2-app:82", "h2-undeclared:82", "server:82"])("%s", async (origin) => {
    const reply = Object(await mesh.run("client", { kind: "http2", origin: `http://${origin}`, path: "/two" }));
    expect([reply.status, JSON.parse(reply.body).path]).toEqual([200, "/two"]);
  });

  it("a client that speaks HTTP/1.1 reaches a server that speaks HTTP/2 only", async () => {
    const reply = await mesh.http("client", "http://h2-name:82/");
    expect([reply.status, JSON.parse(reply.body).headers[":path"]]).toEqual([200, "/"]);
  });
});

describe("undeclared ports", () => {
  it("HTTP is recognised and routed by its headers", async () => {
    const [plain, tester] = await Promise.all([
      mesh.http("client", "http://auto:8000/"),
      mesh.http("client", "http://auto:8000/", { headers: { "x-tester": "1" } }),
    ]);
    expect([plain.headers["x-served-by"], tester.headers["x-served-by"]]).toEqual(["v1", "v2"]);
  });

  it("a server that speaks first is heard; lines go back and forth", async () => {
    expect(await greeting("auto", 8002)).toMatch(/^220 v[12] /);
    await mesh.run("client", { kind: "tcp-open", id: "auto", host: "auto", port: 8002 });
    expect(await mesh.run("client", { kind: "tcp-say", id: "auto", text: "hello" })).toMatch(/^v[12] hello/);
  });

  it("a client that speaks first in no known protocol gets through", async () => {
    const { text } = Object(await mesh.run("client", { kind: "tcp-once", host: "auto", port: 8002, text: "EHLO test\r\n" }));
    expect(text).toMatch(/^220 v[12] /);
  });
});

describe("declared TCP", () => {
  it.each([
    ["server", 83],
    ["mysql", 3306],
    ["app-tcp", 83],
  ])("%s:%i: the server's first word comes without waiting for the client's", async (host, port) => {
    // Two proxies that detect would wait for a second each, every time; a busy machine doesn't.
    const isQuick = async () => {
      const { text, ms } = Object(await mesh.run("client", { kind: "tcp-once", host, port }));
      expect(text).toMatch(/^220 v[12] /);
      return ms < 1000;
    };
    await eventually(isQuick, 60_000, "a greeting without a wait");
  });
});

describe("headless services", () => {
  it("HTTP is routed as for any service", async () => {
    const plain = await mesh.load("client", "http://headless:8080/", { count: 20, freshShare: 0.5 });
    const tester = await mesh.load("client", "http://headless:8080/", { count: 20, headers: { "x-tester": "1" } });
    expect([plain.byVersion, tester.byVersion]).toEqual([{ v1: 20 }, { v2: 20 }]);
  });

  it("TCP goes to the pod whose address the client chose", async () => {
    for (const pod of await mesh.pods("server")) {
      const { items } = await mesh.client.list("Pod", { namespace: "default" });
      const address = String(Object(items.find(({ metadata }) => metadata.name === pod)).status.podIP);
      expect(await greeting(address, 8082)).toContain(pod);
    }
    expect(await greeting("headless", 8082)).toMatch(/^220 v[12] /);
  });
});

describe("a pod that calls itself", () => {
  it("through its own Service: HTTP, gRPC, TCP", async () => {
    expect((await mesh.http("solo", "http://solo/")).headers["x-served-by"]).toBe("v1");
    expect((await mesh.load("solo", "http://solo/", { count: 50, mixPost: true, freshShare: 0.3 })).byStatus).toEqual({ 200: 50 });
    expect(await mesh.run("solo", { kind: "grpc", origin: "http://solo:81" })).toMatchObject({ grpcStatus: "0" });
    expect(await greeting("solo", 83, "solo")).toMatch(/^220 v1 /);
  });

  it("through its own address", async () => {
    const { items } = await mesh.client.list("Pod", { namespace: "default", labelSelector: "app=solo" });
    const address = String(Object(items[0]).status.podIP);
    expect((await mesh.http("solo", `http://${address}:8080/`)).status).toBe(200);
  });
});
