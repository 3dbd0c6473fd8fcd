import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BadInput, Conflict, MeshError, UserError } from "../lib/errors.ts";
import { openAuthority } from "./authority.ts";
import { outputOf, startInOtherProcess } from "./testing/other-process.ts";
import { thrown } from "./testing/thrown.ts";
import { mutualTls, type TestSurroundings, temporaryDirectory, testSurroundings } from "./testing/world.ts";

const dayMs = 86_400_000;
const web = { namespace: "shop", serviceAccount: "web", workload: { name: "web", version: "v1" } };

function open(directory: string, surroundings: TestSurroundings = testSurroundings()) {
  return openAuthority({ directory, trustDomain: "cluster.local", surroundings });
}

const stateFile = (directory: string) => join(directory, readdirSync(directory).find((name) => name.endsWith(".json")) ?? "");

describe("an authority of its own", () => {
  it("issues under an intermediate under a root it keeps", () => {
    using directory = temporaryDirectory();
    const surroundings = testSurroundings();
    const first = open(directory.path, surroundings);
    const issued = first.issue(web);
    expect(issued.spiffeId).toBe("spiffe://cluster.local/ns/shop/sa/web");
    expect(issued.notAfterMs).toBe(Math.floor((surroundings.nowMs + dayMs) / 1000) * 1000);
    expect(issued.chainPem.match(/BEGIN/g)).toHaveLength(2);
    const again = open(directory.path, surroundings);
    expect(again.trustBundlePem()).toBe(first.trustBundlePem());
    expect(again.status()).toEqual(first.status());
    expect(new X509Certificate(first.trustBundlePem()).validToDate.getTime() - surroundings.nowMs).toBeGreaterThan(3649 * dayMs);
  });

  it("keeps everything from other users", () => {
    using directory = temporaryDirectory();
    open(directory.path);
    expect(statSync(directory.path).mode & 0o777).toBe(0o700);
    expect(statSync(stateFile(directory.path)).mode & 0o777).toBe(0o600);
  });

  it.each([0o750, 0o701, 0o755, 0o770])("refuses a directory of mode %o", (mode) => {
    using directory = temporaryDirectory();
    open(directory.path);
    chmodSync(directory.path, mode);
    expect(() => open(directory.path)).toThrow(UserError);
    expect(thrown(() => open(directory.path)).fix).toContain(`chmod 0700 ${directory.path}`);
    chmodSync(directory.path, 0o700);
    open(directory.path);
  });

  it.each([0o640, 0o604, 0o620])("refuses a file of mode %o, also while running", (mode) => {
    using directory = temporaryDirectory();
    const authority = open(directory.path);
    chmodSync(stateFile(directory.path), mode);
    expect(thrown(() => open(directory.path)).fix).toContain(`chmod 0600 ${stateFile(directory.path)}`);
    expect(() => authority.refresh()).toThrow(UserError);
    expect(authority.issue(web).spiffeId).toContain("/sa/web");
  });

  // Only root can give a file away.
  it.each(process.geteuid?.() === 0 ? [12_345] : [])("refuses files of another user (%i)", () => {
    using directory = temporaryDirectory();
    open(directory.path);
    chownSync(stateFile(directory.path), 12_345, 12_345);
    expect(thrown(() => open(directory.path)).message).toContain("another user (uid 12345)");
  });

  it("renews the intermediate at half its life, unasked at start and on refresh", () => {
    using directory = temporaryDirectory();
    const surroundings = testSurroundings();
    const authority = open(directory.path, surroundings);
    const before = authority.status();
    expect(authority.refresh()).toBe(false);
    surroundings.nowMs += 183 * dayMs;
    expect(authority.refresh()).toBe(true);
    expect(authority.status().issuer.notAfterMs).toBe(before.issuer.notAfterMs + 183 * dayMs);
    expect(authority.status().roots).toEqual(before.roots);
    surroundings.nowMs += 700 * dayMs;
    expect(open(directory.path, surroundings).issue(web).notAfterMs).toBeGreaterThan(surroundings.nowMs);
  });

  it("says when the root is due, and refuses to open with an expired one", () => {
    using directory = temporaryDirectory();
    const surroundings = testSurroundings();
    const authority = open(directory.path, surroundings);
    expect(authority.status().isRootDue).toBe(false);
    surroundings.nowMs += 3000 * dayMs;
    expect(authority.status().isRootDue).toBe(true);
    surroundings.nowMs += 700 * dayMs;
    const error = thrown(() => open(directory.path, surroundings));
    expect(error.message).toMatch(/expired at/);
    expect(error.fix).toContain(`rm ${stateFile(directory.path)}`);
    surroundings.nowMs -= 4000 * dayMs;
    expect(thrown(() => open(directory.path, surroundings)).fix).toContain("clock");
  });
});

describe("root rotation", () => {
  it("lets every pair of proxies talk in every step, and refuses the old root after it", async () => {
    using directory = temporaryDirectory();
    const authority = open(directory.path);
    const view = () => ({ ...authority.issue(web), bundlePem: authority.trustBundlePem() });
    const views = [view()];
    authority.startRootRotation();
    expect(() => authority.startRootRotation()).toThrow(Conflict);
    views.push(view());
    for (const step of [1, 2]) {
      expect(authority.acknowledgeRootRotation(step - 1)).toMatchObject({ step });
      expect(authority.acknowledgeRootRotation(step)).toMatchObject({ step: step + 1 });
      views.push(view());
    }
    for (const [index, later] of views.entries()) {
      const earlier = views[index - 1] ?? later;
      await mutualTls(earlier, later);
      await mutualTls(later, earlier);
    }
    expect(authority.acknowledgeRootRotation(3)).toMatchObject({ phase: "steady" });
    const [oldest, newest] = [views[0], view()];
    if (oldest === undefined) throw new Error("no view");
    const refused = { code: "UNABLE_TO_GET_ISSUER_CERT_LOCALLY" };
    await expect(mutualTls({ ...oldest, bundlePem: newest.bundlePem }, newest)).rejects.toMatchObject(refused);
    const stored = readFileSync(stateFile(directory.path), "utf8");
    expect(stored.match(/BEGIN PRIVATE KEY/g)).toHaveLength(2);
  });

  it("goes on after a restart where it was, and can be called off", () => {
    using directory = temporaryDirectory();
    const old = open(directory.path).trustBundlePem();
    open(directory.path).startRootRotation();
    const reopened = open(directory.path);
    expect(reopened.status().rotation).toMatchObject({ phase: "distributing", step: 1 });
    expect(reopened.trustBundlePem().startsWith(old)).toBe(true);
    reopened.acknowledgeRootRotation(1);
    expect(reopened.abortRootRotation()).toMatchObject({ phase: "returning", step: 3 });
    expect(reopened.acknowledgeRootRotation(3)).toMatchObject({ phase: "steady" });
    expect(reopened.trustBundlePem()).toBe(old);
    const issuer = new X509Certificate(reopened.issue(web).chainPem.split(/(?=-----BEGIN)/)[1] ?? "");
    expect(issuer.verify(new X509Certificate(old).publicKey)).toBe(true);
  });
});

describe("the stored state", () => {
  it("is refused with the repairing command when damaged, and never replaced in silence", () => {
    using directory = temporaryDirectory();
    open(directory.path);
    const file = stateFile(directory.path);
    const text = readFileSync(file, "utf8");
    const other = temporaryDirectory();
    open(other.path);
    const stranger: { intermediate: unknown } = JSON.parse(readFileSync(stateFile(other.path), "utf8"));
    other[Symbol.dispose]();
    const state = JSON.parse(text);
    const corpus = [
      "",
      "{}",
      "null",
      "\0".repeat(100),
      text.slice(0, -64),
      text.replace("MII", "AAA"),
      text.replaceAll("BEGIN PRIVATE KEY", "BEGIN RSA PRIVATE KEY"),
      JSON.stringify({ ...state, intermediate: stranger.intermediate }),
      JSON.stringify({ ...state, intermediate: { ...state.intermediate, keyPem: state.roots[0].keyPem } }),
      JSON.stringify({ ...state, intermediate: { ...state.intermediate, root: "nobody" } }),
      JSON.stringify({ ...state, roots: [] }),
      JSON.stringify({ ...state, roots: [{ ...state.roots[0], certificatePem: state.intermediate.certificatePem }] }),
      JSON.stringify({ ...state, rotation: { ...state.rotation, current: "nobody" } }),
      JSON.stringify({ ...state, rotation: { phase: "odd" } }),
      JSON.stringify({ ...state, version: 2 }),
    ];
    for (const damage of corpus) {
      writeFileSync(file, damage);
      const error = thrown(() => open(directory.path));
      expect(error, damage.slice(0, 200)).toBeInstanceOf(BadInput);
      expect(error.fix).toContain(`rm ${file}`);
      expect(error.message).not.toContain("PRIVATE");
      expect(readFileSync(file, "utf8")).toBe(damage);
    }
  });

  it("never makes anything but a MeshError of any damage", () => {
    using directory = temporaryDirectory();
    open(directory.path);
    const file = stateFile(directory.path);
    const text = readFileSync(file, "utf8");
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.nat(8), fc.string({ maxLength: 8 }), (at, size, replacement) => {
        writeFileSync(file, text.slice(0, at) + replacement + text.slice(at + size), { mode: 0o600 });
        try {
          open(directory.path);
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError);
        }
        // What is still whole, a changed space say, is written anew.
        for (const name of readdirSync(directory.path)) rmSync(join(directory.path, name));
      }),
      { seed: 4, numRuns: 150 },
    );
  });

  it("is made once by several processes that begin at the same time", async () => {
    using directory = temporaryDirectory();
    const code = `process.stdout.write(ca.openAuthority({ directory, trustDomain: "cluster.local" }).trustBundlePem())`;
    const bundles = await Promise.all([1, 2, 3].map(() => outputOf(startInOtherProcess("authority.ts", code, [directory.path]))));
    expect(new Set(bundles).size).toBe(1);
    expect(bundles[0]).toBe(open(directory.path).trustBundlePem());
  });

  it("loses nothing when two authorities change it in turns", () => {
    using directory = temporaryDirectory();
    const [one, two] = [open(directory.path), open(directory.path)];
    one.startRootRotation();
    expect(() => two.startRootRotation()).toThrow(Conflict);
    expect(two.acknowledgeRootRotation(1)).toMatchObject({ phase: "reissuing" });
    expect(one.refresh()).toBe(true);
    expect(one.status().rotation).toEqual(two.status().rotation);
  });

  it("is whole after kill -9 at any time", async () => {
    using directory = temporaryDirectory();
    open(directory.path);
    const code = `const a = ca.openAuthority({ directory, trustDomain: "cluster.local" }); process.stdout.write("x");
      for (let r = a.status().rotation; ; ) r = r.phase === "steady" ? a.startRootRotation() : a.acknowledgeRootRotation(r.step);`;
    for (const writes of [0, 1, 2, 5, 11]) {
      const child = startInOtherProcess("authority.ts", code, [directory.path]);
      if (child.stdout) await once(child.stdout, "data");
      const from = newest(directory.path);
      while (child.exitCode === null && newest(directory.path) < from + writes) await new Promise((resolve) => setImmediate(resolve));
      expect(child.exitCode).toBeNull();
      child.kill("SIGKILL");
      await once(child, "close");
      expect(open(directory.path).issue(web).spiffeId).toContain("/sa/web");
    }
  });

  it("is tidied of what a killed writer left, but not of what another one is writing", () => {
    using directory = temporaryDirectory();
    mkdirSync(directory.path, { mode: 0o700 });
    const [left, fresh] = ["left", "fresh"].map((name) => join(directory.path, `.authority.${name}.tmp`));
    for (const path of [left, fresh]) writeFileSync(path ?? "", "{", { mode: 0o600 });
    utimesSync(left ?? "", 1, 1);
    open(directory.path);
    expect(readdirSync(directory.path).sort()).toEqual([".authority.fresh.tmp", "authority.1.json"]);
  });
});

function newest(directory: string): number {
  return Math.max(...readdirSync(directory).map((name) => Number(/^authority\.(\d+)\.json$/.exec(name)?.[1] ?? 0)));
}
