import { afterAll, beforeAll, expect, test } from "vitest";
import { startTestNode, type TestNode } from "./testing/node-harness.ts";

const isRoot = process.getuid?.() === 0;
let node: TestNode;
beforeAll(async () => {
  node = await startTestNode();
});
afterAll(async () => {
  await node?.close();
});

test("exit codes are the application's, 128 + n after a signal", async () => {
  expect(await node.run("exitCodes")).toEqual({
    three: { exitCode: 3, text: "out\nerr" },
    killed: { exitCode: 139, signal: "SIGSEGV", text: "" },
    missing: { exitCode: 127, text: expect.stringContaining("no-such-program") },
    noDirectory: "the working directory /no/such/directory of container app does not exist",
  });
});

test("a graceful stop sends SIGTERM to the application and kills one that ignores it", async () => {
  expect(await node.run("stopping")).toEqual({
    polite: { exitCode: 7 },
    politeText: "up\ngot term",
    plain: { exitCode: 143, signal: "SIGTERM" },
    stubborn: { exitCode: 137, signal: "SIGKILL" },
  });
});

test("a double-forked daemon dies with its application and with its pod", async () => {
  expect(await node.run("daemons")).toEqual({ alive: true, afterStop: false, afterClose: false, directoryLeft: false });
});

test("an application can't set the proxy's mark, see the proxy, or reach the runtime directory", async () => {
  expect(await node.run("limits")).toMatchObject({
    // 2: the container's init and the application.
    seen: { mark: -1, eperm: true, raw: -1, noNewPrivs: "1", pids: 2, listed: [], admin: "ENOENT", capEff: "00000000a80405fb" },
    unmount: expect.stringMatching(/\n0$/),
    userNamespace: "0",
  });
});

test("a container's root can't write the kernel's settings or the host's devices, and reads what it needs", async () => {
  expect(await node.run("kernelFiles")).toEqual({
    text: expect.stringMatching(/^read: \d+\nnetwork refused\nsys refused\nkeys 0$/),
    execText: expect.stringMatching(/Read-only file system/),
  });
});

test("names, environment, volumes and mount paths that don't exist on the host", async () => {
  const result = await node.run("files");
  expect(result).toMatchObject({
    run: { exitCode: 0, text: expect.stringContaining("read-only\nyes\n/etc/passwd\n/usr/bin/env\nagain\n0\n0") },
    refused: expect.stringContaining("runtime directory"),
    absent: "the volume's path /no/such does not exist on this machine",
    hostUntouched: true,
    written: true,
  });
  expect(result).toMatchObject({ run: { text: expect.stringContaining("search shop.svc.cluster.local svc.cluster.local cluster.local") } });
  expect(result).toMatchObject({ run: { text: expect.stringContaining("GREETING=a 'quoted' $VALUE\nHOSTNAME=web-0\n") } });
  expect(result).toMatchObject({ run: { text: expect.stringContaining("10.1.2.3\tlegacy old") } });
});

test("exec runs with the container's names, environment and limits, and a timeout ends it", async () => {
  expect(await node.run("exec")).toEqual({
    result: { exitCode: 4, output: expect.stringMatching(/^exec-pod\n\/tmp\nblue\ntyped\n/), timedOut: false },
    slow: { exitCode: 137, signal: "SIGKILL", output: "", timedOut: true },
    capabilities: "CapEff:\t00000000a80405fb\n",
    application: true,
  });
});

test("logs are kept per run in CRI format, long lines in parts", async () => {
  expect(await node.run("logs")).toEqual({
    previous: expect.stringMatching(/^\d{4}-\S+Z stdout F first run\n$/),
    current: expect.stringMatching(/^\d{4}-\S+Z stdout F second run$/),
    last: expect.any(String),
    long: [
      [16384, true],
      [16384, true],
      [7232, false],
    ],
  });
});

test("probes reach the application wherever it listens, and never the proxy", async () => {
  expect(await node.run("probes")).toMatchObject({
    all: { success: true, reason: "HTTP 200" },
    loopback: { success: true, reason: "HTTP 200" },
    address: { success: true, reason: "connected" },
    closed: { success: false, reason: expect.stringContaining("ECONNREFUSED") },
    exec: { success: true },
    execFails: { success: false, reason: "exit code 1: bad" },
    notGrpc: false,
    throughProxy: 0,
  });
});

test("gRPC health probes", async () => {
  expect(await node.run("grpcProbes")).toEqual({
    serving: { success: true, reason: "SERVING" },
    named: { success: true, reason: "SERVING" },
    sick: { success: false, reason: "not SERVING" },
    gone: { success: false, reason: "grpc-status 5" },
  });
});

test("a server that never answers fails the probe at its timeout", async () => {
  expect(await node.run("slowProbe")).toEqual(Array.from({ length: 2 }, () => ({ success: false, reason: "no answer within 150 ms" })));
});

test("another user has no capabilities; an ordinary user can't switch and is told so", async () => {
  const expected = isRoot
    ? { exitCode: 0, text: "12345\n12345\nCapEff:\t0000000000000000\nsearch\nok" }
    : expect.stringContaining("an ordinary user can run only as itself");
  expect(await node.run("otherUser")).toEqual(expected);
});

test("pods may be closed while they start, and twice", async () => {
  expect(await node.run("closeWhileStarting")).toMatchObject({ afterwards: { success: false, reason: "the pod is gone" } });
});

test("many pods at once", async () => {
  expect(await node.run("manyPods", { count: 12 })).toMatchObject({ pods: 12 });
});

test("nested mount points leave the host untouched and keep volumes shared", async () => {
  expect(await node.run("nestedVolumes")).toEqual({ text: "valuevaluevaluevalue\nusr", inVolume: "shared\n", onHost: [] });
});
