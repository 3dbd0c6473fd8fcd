// A supervisor that a test can kill: starts a test node with running pods, says so, and waits.

import { startTestNode } from "./node-harness.ts";

const node = await startTestNode();
const world = await node.run("leaveRunning", { marker: process.argv[2] });
process.stdout.write(`${JSON.stringify({ world, runDir: node.runDir })}\n`);
