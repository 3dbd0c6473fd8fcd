import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { startTestNode, type TestNode } from "./testing/node-harness.ts";

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode({ egress: false });
});
afterAll(async () => {
  await node?.close();
});

const twoPodsSchema = z.object({ server: z.string() }).loose();
const exclusionsSchema = z.object({ server: z.string(), client: z.string() }).loose();
const selfSchema = z.object({ ip: z.string() }).loose();

test("two pods talk through both proxies, which see the original destination", async () => {
  const result = twoPodsSchema.parse(await node.run("twoPods"));
  expect(result).toMatchObject({
    viaVip: `200 server ${result.server}`,
    viaAddress: `200 on-address ${result.server}`,
    serverSaw: [`inbound ${result.server}:8080`, `inbound ${result.server}:8082`],
    clientSaw: expect.arrayContaining(["outbound 198.19.0.10:80", `outbound ${result.server}:8082`]),
  });
});

test("the proxy's own ports are out of reach from other pods", async () => {
  expect(await node.run("twoPods")).toMatchObject({ privatePorts: Array.from({ length: 3 }, () => "ECONNRESET\nclosed") });
});

test("a pod calls itself by service address through the proxy, by its own address directly", async () => {
  const result = selfSchema.parse(await node.run("selfCalls"));
  expect(result).toEqual({
    ip: result.ip,
    texts: [`200 me ${result.ip}`, `200 me ${result.ip}`, "200 me 127.0.0.1"],
    saw: ["outbound 198.19.0.10:80", `inbound ${result.ip}:8080`],
  });
});

test("excluded ports and ranges pass the proxies by", async () => {
  const result = exclusionsSchema.parse(await node.run("exclusions"));
  expect(result).toMatchObject({
    texts: [`200 plain ${result.client}`, `200 captured ${result.server}`],
    clientSaw: [],
    serverSaw: [`inbound ${result.server}:9001`],
  });
});

test("IPv6 loopback works, other IPv6 fails at once", async () => {
  expect(await node.run("ipv6")).toEqual({ loopback: "200 six ::1", outside: "ENETUNREACH" });
});

test("a plain pod balances virtual addresses, follows updates, and is refused where nothing stands behind", async () => {
  expect(await node.run("vips")).toEqual({ both: "s0,s1", one: "s1", none: "ECONNREFUSED", otherPort: "ECONNREFUSED" });
});

test("without egress the outside refuses at once", async () => {
  expect(await node.run("fetchOutside", { urls: ["http://203.0.113.5/", "http://198.19.200.1/"] })).toEqual([
    "ECONNREFUSED",
    "ECONNREFUSED",
  ]);
});
