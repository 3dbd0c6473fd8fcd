import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { notReadyLines } from "./not-ready.ts";

let runDir = "";

beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), "mesh-"));
  mkdirSync(join(runDir, "logs"));
});

afterEach(() => rmSync(runDir, { recursive: true, force: true }));

test("says who and why, with the last lines of the pod's containers and the control plane's complaints", () => {
  const log = (name: string, text: string): void => writeFileSync(join(runDir, "logs", name), text);
  const lines = Array.from({ length: 20 }, (_, index) => `t stderr F line ${index}\n`).join("");
  log("shop_web-1_web.log", lines);
  log("shop_web-1_istio-proxy.log", "");
  log("shop_other-1_web.log", "t stdout F not this one\n");
  log("control-plane.log", '{"level":"info","message":"fine"}\n{"level":"error","message":"bad"}\nTypeError: crashed\n');
  expect(
    notReadyLines(
      [
        { name: "shop/web-1", reason: "containers not ready: web" },
        { name: "deployment shop/web", reason: "0 of 1" },
      ],
      runDir,
    ),
  ).toEqual([
    "not ready: shop/web-1: containers not ready: web",
    "  istio-proxy: wrote nothing",
    "  web, last lines:",
    ...Array.from({ length: 8 }, (_, index) => `    line ${index + 12}`),
    "not ready: deployment shop/web: 0 of 1",
    "the control plane's last complaints:",
    '    {"level":"error","message":"bad"}',
    "    TypeError: crashed",
  ]);
});

test("without any log it still says who and why", () => {
  expect(notReadyLines([{ name: "shop/web-1", reason: "not started yet" }], join(runDir, "gone"))).toEqual([
    "not ready: shop/web-1: not started yet",
  ]);
});
