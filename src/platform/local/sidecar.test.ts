import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { envoyPathOf } from "../../app/config.ts";
import { startTestNode, type TestNode } from "./testing/node-harness.ts";

let node: TestNode;
beforeAll(async () => {
  node = await startTestNode({ envoyPath: envoyPathOf(process.env) });
});
afterAll(async () => {
  await node?.close();
});

test("two pods talk through two real Envoys, which end in order", async () => {
  const result = z
    .object({ server: z.string() })
    .loose()
    .parse(await node.run("realEnvoy"));
  expect(result).toMatchObject({
    text: `200 server ${result.server}`,
    counts: [expect.stringContaining("tcp.inbound.downstream_cx_total: 1"), expect.stringContaining("tcp.outbound.downstream_cx_total: 1")],
    exits: [{ exitCode: 0 }, { exitCode: 0 }],
  });
});

test("an Envoy that refuses its bootstrap is reported with its own words", async () => {
  expect(await node.run("badBootstrap")).toEqual({
    message: expect.stringMatching(/ended with exit code 1 before it was ready.*no_such_field/s),
    tooLong: expect.stringContaining("longer than 107 bytes"),
  });
});
