// A real sidecar's server side: it tells of requests and connections while a key asks for it, of nothing without, and no listener changes for it.

import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually } from "../../../test/harness/eventually.ts";
import { type InboundEnvoy, startInboundEnvoy } from "../../../test/harness/inbound-envoy.ts";
import { parseOtlpLogs } from "../../telemetry/otlp-logs.ts";
import { type TapRecord, tapLogName, tapRecordOf } from "../../telemetry/tap-record.ts";

let world: InboundEnvoy;

beforeAll(async () => {
  world = await startInboundEnvoy("");
  // On TCP ports a rule about paths would deny everything.
  await world.apply(`
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: secret, namespace: a}
spec:
  action: DENY
  rules: [{to: [{operation: {paths: [/secret], ports: ["${world.ports.http}"]}}]}]
`);
});

afterAll(async () => {
  await world?.[Symbol.asyncDispose]();
});

function told(): readonly TapRecord[] {
  return world.exports
    .filter(({ signal }) => signal === "logs")
    .flatMap(({ bytes }) => parseOtlpLogs(bytes))
    .filter(({ logName }) => logName === tapLogName)
    .flatMap(({ records }) => records.flatMap((record) => tapRecordOf(record) ?? []));
}

const url = (path: string): string => `http://127.0.0.1:${world.ports.http}${path}`;

async function tcp(text: string): Promise<void> {
  const socket = connect(world.ports.tcp, "127.0.0.1");
  socket.write(text);
  await once(socket, "data");
  socket.resume().end();
  await once(socket, "close");
}

/** How often listeners were replaced or added. */
async function listenerChanges(): Promise<number> {
  const stats = await world.stats();
  const names = ["added", "modified", "removed", "in_place_updated"].map((name) => `listener_manager.listener_${name}`);
  return names.reduce((sum, name) => sum + (stats.get(name) ?? 0), 0);
}

test("nothing is sent without the key, everything with it, nothing again afterwards; no listener changes", async () => {
  const before = await listenerChanges();
  await fetch(url("/unwatched"));
  await tcp("unwatched");
  await world.tap(100);
  const headers = {
    "x-request-id": "0a1b2c3d-0000-4000-8000-000000000001",
    traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    "x-envoy-attempt-count": "2",
    "user-agent": "tests",
  };
  await fetch(url("/orders?id=1"), { method: "POST", body: "12345", headers });
  await fetch(url("/secret"), { headers: { "x-lateen-mirror": "1" } });
  await tcp("hello");
  await eventually(() => told().length >= 4, 15_000, "four records");
  await world.tap(undefined);
  await fetch(url("/unwatched-again"));
  await tcp("unwatched again");
  // What was sent before it would have been sent by now: the same logger carries the next one.
  await world.tap(100);
  await fetch(url("/last"));
  await eventually(() => told().some(({ path }) => path === "/last"), 15_000, "the last record");

  expect(
    told()
      .map(({ kind, path }) => `${kind} ${path}`)
      .toSorted(),
  ).toEqual(["closed ", "connected ", "request /last", "request /orders?id=1", "request /secret"]);
  const [orders, secret] = ["/orders?id=1", "/secret"].map((wanted) => told().find(({ path }) => path === wanted));
  expect(orders).toMatchObject({
    reporter: "destination",
    method: "POST",
    authority: `127.0.0.1:${world.ports.http}`,
    protocol: "HTTP/1.1",
    code: 200,
    flags: [],
    details: "via_upstream",
    receivedBytes: 5,
    sentBytes: 2,
    route: "default",
    rule: "",
    cluster: `inbound|${world.ports.http}||`,
    upstream: `127.0.0.2:${world.ports.http}`,
    attempts: 1,
    attempt: 2,
    // As it came: Envoy doesn't note in it that the client began a trace (traceRequestId in b3.ts).
    requestId: "0a1b2c3d-0000-4000-8000-000000000001",
    userAgent: "tests",
    isCopy: false,
    mirrored: false,
  });
  expect(orders?.traceparent).toContain("0af7651916cd43dd8448eb211c80319c");
  expect(orders?.client).toMatch(/^127\.0\.0\.1:\d+$/);
  expect(Math.abs((orders?.startMs ?? 0) - Date.now())).toBeLessThan(300_000);
  expect(secret).toMatchObject({ code: 403, details: expect.stringMatching(/^rbac_access_denied_matched_policy\[.*secret/) });
  const closed = told().find(({ kind }) => kind === "closed");
  expect(closed).toMatchObject({
    reporter: "destination",
    protocol: "TCP",
    receivedBytes: 5,
    sentBytes: 5,
    upstream: `127.0.0.2:${world.ports.tcp}`,
  });
  expect(await listenerChanges()).toBe(before);
});

test("a share of requests is drawn by their ids, the same at every proxy", async () => {
  await world.tap(30);
  const ids = Array.from({ length: 200 }, (_, index) => `${index.toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`);
  const drawn = (path: string) => new Set(told().flatMap((record) => (record.path === path ? [record.requestId] : [])));
  for (const path of ["/once", "/twice"]) {
    await Promise.all(ids.map((id) => fetch(url(path), { headers: { "x-request-id": id } })));
  }
  await world.tap(100);
  await fetch(url("/end"));
  await eventually(() => told().some(({ path }) => path === "/end"), 15_000, "the last record");
  expect(drawn("/once").size).toBeGreaterThan(0);
  expect(drawn("/once").size).toBeLessThan(ids.length);
  expect(drawn("/twice")).toEqual(drawn("/once"));
});
