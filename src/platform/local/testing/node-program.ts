// The node process of the tests: starts a fabric and runs the scenarios (scenarios.ts) that the test asks for by name over IPC.

import { z } from "zod";
import { createIpcForwardDns } from "../dns-forward.ts";
import { createIpcDial } from "../egress.ts";
import { startFabric } from "../fabric.ts";
import { onHostPort } from "../forward.ts";
import { announceReady, parentChannel } from "../ipc.ts";
import { runScenario } from "./scenarios.ts";

const optionsSchema = z.object({ runDir: z.string(), envoyPath: z.string(), egress: z.boolean() });
const requestSchema = z.object({ id: z.number(), name: z.string(), input: z.unknown() });

const options = optionsSchema.parse(JSON.parse(process.argv[2] ?? "{}"));
const channel = parentChannel();
const fabric = await startFabric({
  runDir: options.runDir,
  envoyPath: options.envoyPath,
  ...(options.egress ? { dial: createIpcDial(channel) } : {}),
  forwardDns: createIpcForwardDns(channel),
});
const world = { fabric, runDir: options.runDir };
onHostPort(channel, (name, server) => {
  const [address = "", port = "0"] = name.split(":");
  fabric.forward(server, { address, port: Number(port) });
});
channel.onMessage(async (message) => {
  if (message.kind !== "test.run") return;
  const { id, name, input } = requestSchema.parse(message);
  try {
    channel.send({ kind: "test.result", id, value: await runScenario(name, world, input) });
  } catch (error) {
    channel.send({ kind: "test.result", id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  }
});
channel.onClose(() => process.exit(0));
announceReady(channel);
