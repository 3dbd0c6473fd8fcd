// A control plane that takes connections and says nothing, as one that is stopped does: who asks is told, and a live view gives up soon.

import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createColors } from "picocolors";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTimeOf } from "../app/run-dir.ts";
import { connect } from "./connect.ts";

let runDir = "";
let server: Server;
const sockets: Socket[] = [];

beforeEach(async () => {
  runDir = mkdtempSync(join(tmpdir(), "mesh-"));
  // This process stands in for the mesh's supervisor.
  writeFileSync(join(runDir, "supervisor.json"), JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid), runId: "r" }));
  server = createServer((socket) => sockets.push(socket)).listen(join(runDir, "api.sock"));
  await once(server, "listening");
});

afterEach(() => {
  for (const socket of sockets.splice(0)) socket.destroy();
  server.close();
  rmSync(runDir, { recursive: true, force: true });
});

test("is told once, and waited for; a live view is told by an error instead", async () => {
  const lines: string[] = [];
  const terminal = { err: (line: string) => void lines.push(line), colours: createColors(false) };
  const config = { mesh: "m", runDir, isNamed: true, logLevel: "info" as const, certificateLifetimeMs: 60_000 };
  const patient = connect(config, terminal);
  const live = connect(config, terminal, { isLive: true });
  let isOver = false;
  const asked = [patient.status(), patient.proxies()].map((answer) =>
    answer.then(
      () => {},
      () => {
        isOver = true;
      },
    ),
  );
  await expect(live.stat()).rejects.toMatchObject({ code: "unavailable" });
  await expect.poll(() => lines, { timeout: 20_000 }).toEqual(['the control plane of mesh "m" doesn\'t answer; waiting for it']);
  expect(isOver).toBe(false);
  patient.close();
  live.close();
  await Promise.all(asked);
  expect(lines).toHaveLength(1);
});
