// The command line on a running mesh and without one: what it prints, and the exit code for each way it can go wrong.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse } from "yaml";
import { type CliResult, lateen, lateenOn } from "../harness/cli.ts";
import { splitYaml, subsetsYaml } from "../harness/manifests.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";

let mesh: TestMesh;

beforeAll(async () => {
  mesh = await TestMesh.start({ manifests: `${appYaml("web", ["v1"])}---${subsetsYaml("web", ["v1"])}` });
});

afterAll(async () => {
  await mesh?.close();
});

const on = (...args: readonly string[]): Promise<CliResult> => lateenOn(mesh, args);

describe("on a running mesh", () => {
  it("status and proxy list say what is there, for people and programs", async () => {
    const [pod = ""] = await mesh.pods("web");
    const status = await on("status");
    expect(status).toMatchObject({ code: 0, stderr: "" });
    expect(status.stdout).toMatch(new RegExp(`default +${pod} +✓ ready +Running +198\\.18`));
    expect(status.stdout).toMatch(/proxies: 2 of 2 connected, 2 of 2 have acknowledged everything/);
    expect(JSON.parse((await on("status", "-o", "json")).stdout)).toMatchObject({
      mesh: "t",
      proxies: { total: 2, connected: 2, synced: 2 },
      findings: [],
    });
    const proxies = await on("proxy", "list");
    expect(proxies).toMatchObject({ code: 0, stdout: expect.stringMatching(new RegExp(`${pod} +sidecar +● connected +✓ acknowledged`)) });
    expect(JSON.parse((await on("proxy", "list", "-o", "json")).stdout).proxies).toHaveLength(2);
  });

  it("apply, get and delete work together", async () => {
    const applied = await lateenOn(mesh, ["apply", "-f", "-"], splitYaml("web", { v1: 100 }));
    expect(applied).toMatchObject({ code: 0, stdout: "virtualservice.networking.istio.io/web created\n" });
    expect(applied.stderr).toMatch(/2 of 2 proxies acknowledged in \d+ ms/);
    const again = await lateenOn(mesh, ["apply", "-f", "-"], splitYaml("web", { v1: 100 }));
    expect(again).toMatchObject({ code: 0, stdout: "virtualservice.networking.istio.io/web unchanged\n" });
    expect((await on("get", "vs")).stdout).toMatch(/^NAME +GATEWAYS +HOSTS +AGE\nweb /);
    expect((await on("get", "virtualservices", "-o", "name")).stdout).toBe("virtualservice/web\n");
    expect(JSON.parse((await on("get", "vs", "web", "-o", "json")).stdout)).toMatchObject({ spec: { hosts: ["web"] } });
    expect(parse((await on("get", "vs", "web", "-o", "yaml")).stdout)).toMatchObject({ kind: "VirtualService" });
    expect((await on("get", "pods", "-A")).stdout).toMatch(/istio-system +istio-ingressgateway/);
    expect((await on("get", "pods", "-l", "app=nothing")).stdout).toContain("No pods found");
    const dry = await lateenOn(mesh, ["apply", "--dry-run", "-f", "-"], splitYaml("dry", { v1: 100 }));
    expect(dry.code).toBe(0);
    expect(await on("get", "vs", "dry")).toMatchObject({ code: 1, stderr: expect.stringContaining("not found") });
    expect(await on("delete", "vs", "web")).toMatchObject({ code: 0, stdout: "virtualservice/web deleted\n" });
    expect(await on("delete", "vs", "web")).toMatchObject({ code: 1, stderr: expect.stringContaining("does not exist") });
  });

  it("logs shows containers and access logs", async () => {
    await mesh.gateway("/").catch(() => undefined);
    expect((await on("logs", "deployment/web-v1")).code).toBe(0);
    await mesh.http("web", "http://web/logged-path");
    await mesh.logged((line) => line.includes("/logged-path"));
    const log = await on("logs", "deployment/web-v1", "-c", "istio-proxy");
    expect(log).toMatchObject({ code: 0, stdout: expect.stringContaining("/logged-path") });
    expect(await on("logs", "nothing")).toMatchObject({ code: 1, stderr: expect.stringContaining("fix:") });
  });

  it.each([
    [["frobnicate"], /unknown command/],
    [["get", "--bogus"], /unknown option/],
    [["get", "nonsense"], /no kind "nonsense"[\s\S]*fix:/],
    [["get", "vs", "-o", "bogus"], /no output format "bogus"[\s\S]*fix:/],
    [["status", "-o", "xyz"], /no output format "xyz"[\s\S]*fix:/],
    [["proxy", "list", "-o", "xyz"], /no output format "xyz"[\s\S]*fix:/],
    [["apply"], /no manifest is named[\s\S]*fix:/],
    [["delete"], /nothing to delete is named[\s\S]*fix:/],
    [["apply", "-f", "x.yaml", "--timeout", "soon"], /--timeout is not a duration[\s\S]*fix:/],
  ])("a mistake in %j is 64 and says how to write it", async (args, message) => {
    const result = await on(...args);
    expect(result.code).toBe(64);
    expect(result.stderr).toMatch(message);
  });
});

describe("without a mesh", () => {
  it.each([["status"], ["proxy", "list"], ["get", "pods"], ["delete", "vs", "a"]])(
    "%s %s is 69 and says what to start",
    async (...args) => {
      const result = await lateen(["--mesh", "nobody", ...args]);
      expect(result.code).toBe(69);
      expect(result.stderr).toMatch(/error: .*\nfix: .*lateen up/);
    },
  );

  it("a missing file is 65, a bad mesh name and down are clear", async () => {
    expect(await lateen(["--mesh", "nobody", "apply", "-f", "/no/such.yaml"])).toMatchObject({
      code: 65,
      stderr: expect.stringContaining("/no/such.yaml"),
    });
    expect(await lateen(["--mesh", "Bad Name!", "status"])).toMatchObject({ stderr: expect.stringContaining("bad-name") });
    expect(await lateen(["--mesh", "nobody", "down"])).toMatchObject({ code: 0, stderr: expect.stringContaining("not running") });
    expect((await lateen(["check"])).code).toBe(0);
  });

  it("--help lists every command", async () => {
    const { code, stdout } = await lateen(["--help"]);
    expect(code).toBe(0);
    for (const word of ["demo", "up", "down", "status", "apply", "get", "delete", "logs", "proxy", "check", "version"]) {
      expect(stdout).toMatch(new RegExp(`^ +${word}\\b`, "m"));
    }
    expect((await lateen(["apply", "--help"])).stdout).toContain("Examples:");
  });
});
