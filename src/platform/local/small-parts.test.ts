import { expect, test } from "vitest";
import { parseNameservers } from "./dns-forward.ts";
import { allowedTarget } from "./egress-dialer.ts";
import { exitOf } from "./isolated-process.ts";
import { isWithin } from "./mounts.ts";
import { preflight } from "./preflight.ts";
import { findTools } from "./tools.ts";

test("nameservers of resolv.conf: at most three, nothing but addresses", () => {
  expect(
    parseNameservers("# c\nnameserver 127.0.0.53\n nameserver\t::1 \nnameserver bad\nsearch x\nnameserver 1.1.1.1\nnameserver 8.8.8.8"),
  ).toEqual([{ address: "127.0.0.53" }, { address: "::1" }, { address: "1.1.1.1" }]);
});

test.each(["198.18.0.9", "198.19.0.1", "240.240.3.4", "127.0.0.1", "0.0.0.0", "224.0.0.1", "::1", "name.example"])(
  "the dialer refuses %s",
  (address) => {
    expect(allowedTarget(address)).toBeUndefined();
  },
);

test("the dialer connects to what is outside", () => {
  expect(["1.1.1.1", "10.0.0.1", "198.20.0.1", "192.168.1.1"].map(allowedTarget)).toEqual([
    "1.1.1.1",
    "10.0.0.1",
    "198.20.0.1",
    "192.168.1.1",
  ]);
});

test("exits read as in a shell", () => {
  expect(exitOf(0, null)).toEqual({ exitCode: 0 });
  expect(exitOf(143, null)).toEqual({ exitCode: 143, signal: "SIGTERM" });
  expect(exitOf(null, "SIGKILL")).toEqual({ exitCode: 137, signal: "SIGKILL" });
});

test("paths within directories", () => {
  expect(isWithin("/run/a", "/run/a")).toBe(true);
  expect(isWithin("/run/a/b", "/run/a")).toBe(true);
  expect(isWithin("/run/ab", "/run/a")).toBe(false);
  expect(isWithin("/run", "/run/a")).toBe(false);
  expect(isWithin("/..a", "/")).toBe(true);
});

test("this machine can run pods, and a missing program is named", async () => {
  expect(await preflight()).toEqual([]);
  expect(() => findTools("/nonexistent")).toThrow(/ip is not installed/);
});
