// What outlives a control plane, and what happens when it can't.

import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../../test/harness/envoy.ts";
import { silentLogger } from "../../lib/log.ts";
import { Collector } from "../../telemetry/collector.ts";
import { Connections } from "../../telemetry/connections.ts";
import { KeptConnections } from "./kept-connections.ts";

class TooMany extends Connections {
  /** As JSON.stringify throws for a text that is longer than a text may be. */
  override kept(): never {
    throw new RangeError("Invalid string length");
  }
}

const parts = (connections: Connections) => ({ collector: new Collector({ sinceMs: 0, peerOf: () => undefined }), connections });

test("the next process goes on with the connections that were open", async () => {
  await using folder = await temporaryFolder();
  const path = join(folder.path, "connections.json");
  const connections = new Connections({ sinceMs: 0 });
  const trial = { isConnected: true, flags: "", wireOut: "", wireIn: "", template: "" };
  const record = { id: "1@5", startMs: 5, isEnd: false, received: 7, sent: 9, tags: { traffic: "source;tcp" }, trial };
  connections.observe({ source: "web-1.shop", records: [record], receivedMs: 10 });
  const kept = new KeptConnections(path, silentLogger);
  kept.changed();
  kept.save(parts(connections));
  const next = new Connections({ sinceMs: 20 });
  expect(new KeptConnections(path, silentLogger).restore(parts(next), 20)).toEqual(["web-1.shop"]);
  expect([...next.kept()]).toEqual([...connections.kept()]);
});

test("connections that are too many to be written down end nothing, and are said once", async () => {
  await using folder = await temporaryFolder();
  const said: string[] = [];
  const logger = { ...silentLogger, error: (message: string) => void said.push(message) };
  const kept = new KeptConnections(join(folder.path, "connections.json"), logger);
  for (let count = 0; count < 3; count += 1) {
    kept.changed();
    kept.save(parts(new TooMany({ sinceMs: 0 })));
  }
  expect(said).toEqual(["open connections can't be kept for a restart"]);
});
