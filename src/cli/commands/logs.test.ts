import { appendFileSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createColors } from "picocolors";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startTimeOf } from "../../app/run-dir.ts";
import { MeshError } from "../../lib/errors.ts";
import type { OptionValues } from "../command.ts";
import { runLogs } from "./logs.ts";

let runDir = "";

beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), "mesh-"));
  mkdirSync(join(runDir, "logs"));
  // This process stands in for the mesh's supervisor.
  writeFileSync(join(runDir, "supervisor.json"), JSON.stringify({ pid: process.pid, startTime: startTimeOf(process.pid), runId: "r" }));
});

afterEach(() => rmSync(runDir, { recursive: true, force: true }));

const pathOf = (name: string): string => join(runDir, "logs", `${name}.log`);

function write(name: string, ...texts: readonly string[]): void {
  appendFileSync(pathOf(name), texts.map((text, index) => `2030-01-01T00:00:0${index}.000Z stdout F ${text}\n`).join(""));
}

function run(pod: string | undefined, options: OptionValues, signal = new AbortController().signal) {
  const lines: string[] = [];
  const terminal = {
    out: (line: string) => void lines.push(line),
    err: () => {},
    raw: () => {},
    colours: createColors(false),
    isTty: false,
    columns: 80,
  };
  const config = { mesh: "m", runDir, isNamed: true, logLevel: "info" as const, certificateLifetimeMs: 60_000 };
  const context = { config, terminal, commandStart: 0, env: {}, cwd: "/", signal };
  return { lines, code: runLogs({ args: pod === undefined ? [] : [pod], options }, context) };
}

test("prints the program's lines, its last ones, or all containers by time", async () => {
  write("shop_web_web", "a", "b", "c");
  write("shop_web_istio-proxy", "GET /");
  const all = run("web", { namespace: "shop" });
  expect(await all.code).toBe(0);
  expect(all.lines).toEqual(["a", "b", "c"]);
  const last = run("pod/web", { namespace: "shop", tail: "2" });
  await last.code;
  expect(last.lines).toEqual(["b", "c"]);
  const both = run("web", { namespace: "shop", allContainers: true, tail: "1" });
  await both.code;
  expect(both.lines).toEqual(["[istio-proxy] GET /", "[web] c"]);
});

test("the mesh's own processes by time, and nobody else", async () => {
  write("shop_web_web", "a");
  const logged = (second: number, level: string, component: string, message: string) =>
    `${JSON.stringify({ time: `2030-01-01T00:00:0${second}.000Z`, level, component, message, pod: "shop/web" })}\n`;
  appendFileSync(pathOf("mesh"), logged(1, "warn", "node", "the proxy ended") + logged(3, "error", "supervisor", "restart failed"));
  appendFileSync(pathOf("control-plane"), `${logged(2, "info", "control-plane", "up")}TypeError: crashed\n`);
  const own = run(undefined, { own: true });
  expect(await own.code).toBe(0);
  expect(own.lines).toEqual([
    "2030-01-01T00:00:01.000Z warn node: the proxy ended  pod=shop/web",
    "2030-01-01T00:00:02.000Z info control-plane: up  pod=shop/web",
    "2030-01-01T00:00:03.000Z error supervisor: restart failed  pod=shop/web",
  ]);
  const last = run(undefined, { own: true, since: "1h", tail: "1", output: "jsonl" });
  await last.code;
  expect(last.lines.map((text) => JSON.parse(text).container)).toEqual(["control-plane", "mesh"]);
  await expect(run("web", { own: true }).code).rejects.toThrow("--own shows the mesh's own processes");
});

test("as JSON, with times, without the proxy, and only what is newer", async () => {
  write("shop_web_web", "a");
  write("shop_web_istio-proxy", "[2029-12-31T23:59:59.000Z] GET /");
  const linesOf = async (options: OptionValues): Promise<readonly string[]> => {
    const { lines, code } = run("web", { namespace: "shop", allContainers: true, ...options });
    await code;
    return lines;
  };
  expect((await linesOf({ output: "jsonl" })).map((line): unknown => JSON.parse(line))).toEqual([
    {
      time: "2029-12-31T23:59:59.000Z",
      namespace: "shop",
      pod: "web",
      container: "istio-proxy",
      stream: "stdout",
      text: "[2029-12-31T23:59:59.000Z] GET /",
    },
    { time: "2030-01-01T00:00:00.000Z", namespace: "shop", pod: "web", container: "web", stream: "stdout", text: "a" },
  ]);
  expect(await linesOf({ proxy: false, timestamps: true })).toEqual(["[web] 2030-01-01T00:00:00.000Z a"]);
  expect(await linesOf({ proxyOnly: true, allContainers: false })).toEqual(["[2029-12-31T23:59:59.000Z] GET /"]);
  expect(await linesOf({ since: "1m", proxy: false, prefix: false })).toEqual(["a"]);
});

test("--previous shows the run before, and says when there was none", async () => {
  write("default_web_web", "now");
  await expect(run("web", { previous: true }).code).rejects.toThrow("no container of pod default/web that was chosen has been restarted");
  writeFileSync(`${pathOf("default_web_web")}.previous`, "2030-01-01T00:00:00Z stdout F before\n");
  const previous = run("web", { previous: true });
  await previous.code;
  expect(previous.lines).toEqual(["before"]);
});

test("--follow prints what comes, through rotation, until it is stopped", async () => {
  write("default_web_web", "one", "two");
  const abort = new AbortController();
  const { lines, code } = run("web", { follow: true, tail: "1" }, abort.signal);
  await expect.poll(() => lines).toEqual(["two"]);
  write("default_web_web", "three");
  await expect.poll(() => lines).toEqual(["two", "three"]);
  renameSync(pathOf("default_web_web"), `${pathOf("default_web_web")}.1`);
  write("default_web_web", "four");
  await expect.poll(() => lines).toEqual(["two", "three", "four"]);
  abort.abort();
  expect(await code).toBe(0);
});

test("--follow ends with the mesh", async () => {
  write("default_web_web", "one");
  const { lines, code } = run("web", { follow: true });
  await expect.poll(() => lines).toEqual(["one"]);
  rmSync(runDir, { recursive: true });
  expect(await code).toBe(0);
});

test.each([
  ["wep", {}, /no log of a pod wep in namespace default .*default with logs: web/],
  ["web", { tail: "x" }, /--tail x is not a number/],
  ["statefulset/web", {}, /logs of a statefulset are not known.*name a pod/],
  ["web", { selector: "app=web" }, /name either a pod.*or a selector/],
  ["web", { since: "x" }, /--since x is no duration/],
])("%s %j: says what is wrong and what to do", async (pod, options, expected) => {
  write("default_web_web", "one");
  const said = await run(pod, options).code.then(
    () => "nothing",
    (error: unknown) => `${MeshError.from(error).message} ${MeshError.from(error).fix}`,
  );
  expect(said).toMatch(expected);
});
