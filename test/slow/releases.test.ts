// Releases in a whole mesh, end to end: preview checks, templates changed in place, gates, freeze windows, a newer version, and the way back under load.

import { createServer } from "node:http";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { lateenOn } from "../harness/cli.ts";
import { eventually } from "../harness/eventually.ts";
import { listenOnLoopback } from "../harness/loopback.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { controlPlaneOutage } from "../harness/outage.ts";
import { inPlaceYaml, releaseIs, releaseOf, releaseYaml } from "../harness/releases.ts";
import { yamlOf } from "../harness/traffic-yaml.ts";
import { failed, underLoad } from "../harness/under-load.ts";

let mesh: TestMesh;
const sent: { readonly reason: string; readonly release: string; readonly phase: string }[] = [];
const hook = createServer((request, response) => {
  let text = "";
  request.on("data", (chunk: Buffer) => {
    text += chunk;
  });
  request.on("end", () => {
    sent.push(JSON.parse(text));
    response.writeHead(204).end();
  });
});

/** v1 as other images; with 5 % errors. */
const same = (failEvery = 0) => ({
  command: ["node", "test-app.mjs"],
  workingDir: fileURLToPath(new URL("../harness", import.meta.url)),
  env: { VERSION: "v1", SHARED: "${shared}", FAIL_EVERY: String(failEvery) },
});
const byClock = { advance: "clock" };
const second = { for: "1s", ...byClock };
const recreate = { strategy: { type: "Recreate" } };
const frozen = { deny: [{ cron: "* * * * *", for: "2m" }] };
const checks = (path: string) => ({
  checks: [
    { name: "smoke", path },
    { name: "again", path: "/healthz" },
  ],
});

beforeAll(async () => {
  const webhooks = [{ url: `http://127.0.0.1:${await listenOnLoopback(hook)}/` }];
  mesh = await TestMesh.start({
    lateenYaml: { images: { "test/broken": { command: ["node", "-e", "process.exit(3)"] }, "test/same": same(), "test/flaky": same(20) } },
    manifests: yamlOf(
      appYaml("client", ["v1"]),
      appYaml("hop", ["v1"]),
      appYaml("legacy", ["v1"], { sidecar: false }),
      ...["blue", "moved", "told"].map((name) => appYaml(name, ["v1"])),
      inPlaceYaml("rolls", "v1"),
      inPlaceYaml("same", "v1"),
      inPlaceYaml("anew", "v1", { spec: recreate }),
      releaseYaml("blue", { strategy: "blueGreen", preview: checks("/?status=503"), webhooks }),
      releaseYaml("rolls", { strategy: "rolling" }),
      releaseYaml("same", { strategy: "rolling" }),
      releaseYaml("told", { steps: [{ setWeight: 20, for: "10m", ...byClock }], sticky: { cookie: "who" } }),
      releaseYaml("anew", { strategy: "recreate", warm: "1s" }),
      releaseYaml("moved", {
        steps: [{ setWeight: 10, ...second }, { pause: { approvers: ["eve"] } }, { setWeight: 50, ...second }],
        windows: frozen,
      }),
    ),
  });
  await Promise.all(
    ["blue", "rolls", "anew", "moved", "told"].map((name) => releaseIs(mesh, name, ({ status }) => status.stable === "v1")),
  );
});
afterAll(async () => {
  await mesh?.close();
  hook.close();
  hook.closeAllConnections();
});

/** The second version beside the first, as Istio's users have it. */
const versionYaml = (name: string, version: string) => appYaml(name, [version]);
const poll = { timeout: 30_000 };
/** Why events of an object were written. */
const reasonsOf = async (name: string, kind: string) => {
  const fieldSelector = `involvedObject.name=${name},involvedObject.kind=${kind}`;
  return (await mesh.client.list("Event", { namespace: "default", fieldSelector })).items.map((item) => item["reason"]);
};
const ask = (name: string, type: "promote" | "abort" | "resume" | "undo" | "retry", more: object = {}) =>
  mesh.client.releases.ask("default", name, { type, actor: "ann", reason: "", ...more });
/** "1,234" of a sentence as a number; 0 while it doesn't say so. */
const numberIn = (sentence: string, pattern: RegExp) => Number((pattern.exec(sentence)?.[1] ?? "0").replaceAll(",", ""));
const send = (name: string, count: number) => mesh.load("client", `http://${name}/`, { count });

describe("blue/green", () => {
  it("goes back when a check of the preview fails, before anybody got it, and says why; webhooks are told", async () => {
    await mesh.apply(versionYaml("blue", "v2"));
    const { status } = await releaseIs(mesh, "blue", "RolledBack");
    expect(status.verdict).toBe("check smoke of preview-blue failed: GET /?status=503 answered 503, expected 200");
    expect(await send("blue", 20)).toMatchObject({ byVersion: { v1: 20 } });
    await eventually(() => sent.some(({ reason }) => reason === "RolledBack"), 15_000, "the last webhook");
    expect(sent.map(({ reason }) => reason).filter((reason) => ["Started", "StepFailed", "RolledBack"].includes(reason))).toEqual([
      "Started",
      "StepFailed",
      "RolledBack",
    ]);
  });

  it("switches everybody at once when they pass, and undo takes it back at once", async () => {
    await mesh.apply(releaseYaml("blue", { steps: [{ preview: checks("/") }, { switch: {}, for: "1s" }], analysis: { noData: "pass" } }));
    await ask("blue", "retry");
    const report = await underLoad(mesh, { from: "client", url: "http://blue/" }, async () => {
      await releaseIs(mesh, "blue", "Finalising");
      expect(await send("blue", 20)).toMatchObject({ byVersion: { v2: 20 } });
      await ask("blue", "undo", { reason: "sales fell" });
      await releaseIs(mesh, "blue", "RolledBack");
      expect(await send("blue", 20)).toMatchObject({ byVersion: { v1: 20 } });
    });
    expect(failed(report)).toBe(0);
    expect((await releaseOf(mesh, "blue")).story.join("\n")).toContain("2 checks of preview-blue passed");
  });
});

describe("templates changed in place", () => {
  it("rolling: good ones become stable, a bad one is undone by the engine, with nobody noticing", async () => {
    const report = await underLoad(mesh, { from: "client", url: "http://rolls/" }, async () => {
      await mesh.apply(inPlaceYaml("rolls", "v2"));
      await releaseIs(mesh, "rolls", ({ status }) => status.phase === "Finalising" && status.candidate === "v2");
      await mesh.apply(inPlaceYaml("rolls", "v3", { image: "test/broken" }));
      const { status } = await releaseIs(mesh, "rolls", ({ status: now }) => now.phase === "RolledBack" && now.candidate === "v3");
      expect(status).toMatchObject({
        stable: "v2",
        verdict: expect.stringMatching(/container app of pod rolls-\S+ ended \d+ times, last with exit code 3/),
      });
    });
    expect(failed(report)).toBe(0);
    const { spec } = await mesh.client.get({ kind: "Deployment", namespace: "default", name: "rolls" });
    expect(JSON.stringify(spec)).toContain("test/app:v2");
  });

  it("rolling, as kubectl set image does it: pods become ready and bear the same label, and still 5 % errors are found and undone", async () => {
    const page = async () => (await fetch(`http://127.0.0.1:${(await mesh.client.status()).metricsPort}/metrics`)).text();
    const countOf = async (series: string) => {
      const lines = (await page()).split("\n").filter((line) => line.startsWith(`${series}{`) && line.includes("same.default.svc"));
      return lines.reduce((sum, line) => sum + Number(line.split(" ").at(-1)), 0);
    };
    const comparedOf = (verdict: string) => numberIn(verdict, /alone: errors 0 % of ([\d,]+), 0 % of [\d,]+ before the update: no harm/);
    const report = await underLoad(mesh, { from: "client", url: "http://same/" }, async () => {
      await eventually(async () => (await countOf("lateen_tries_total")) >= 4000, 90_000, "tries before any run");
      await mesh.apply(inPlaceYaml("same", "v1", { image: "test/same" }));
      // What the next version is compared with is what this one showed alone: some twenty seconds of it, of which a dozen are waited for and five needed.
      const good = await releaseIs(mesh, "same", ({ status }) => status.phase === "Finalising" && comparedOf(status.verdict) >= 2400);
      expect(good.status).toMatchObject({ stable: "v1", candidate: expect.stringMatching(/^v1-[0-9a-z]+$/) });
      await mesh.apply(inPlaceYaml("same", "v1", { image: "test/flaky" }));
      const { status, story } = await releaseIs(mesh, "same", ({ status: now }) => now.phase === "RolledBack");
      expect(status).toMatchObject({
        stable: good.status.candidate,
        verdict: expect.stringMatching(/^errors [\d.]+ % of .*: worse than allowed by errors/),
      });
      expect(status.failedRequests).toBeGreaterThan(0);
      expect(story.join("\n")).not.toContain("can't tell them apart");
    });
    // Nothing failed but what the bad version answered so.
    expect(Object.keys(report.byStatus).toSorted()).toEqual(["200", "503"]);
    expect(failed(report)).toBeLessThan(400);
    const { spec } = await mesh.client.get({ kind: "Deployment", namespace: "default", name: "same" });
    expect(JSON.stringify(spec)).toContain("test/same");
    for (const line of (await page()).split("\n")) if (line.includes("destination_template=")) expect(line).toMatch(/^lateen_/);
  });

  it("recreate: the time without a pod is measured and said", async () => {
    await mesh.apply(inPlaceYaml("anew", "v2", { spec: recreate }));
    const { status, story } = await releaseIs(mesh, "anew", "Succeeded");
    expect(status.gapMs).toBeGreaterThan(0);
    expect(story.join("\n")).toMatch(/2 of 2 pods are new and ready; nobody answered for [\d.]+ (m?s|min)/);
    expect(await send("anew", 10)).toMatchObject({ byVersion: { v2: 10 } });
  });
});

describe("callers that a run can't decide for", () => {
  const member = "lateen-cookie-0123abcd=850118c5ae80f8c9";
  const chain = (pass: string) => ({
    kind: "load-start",
    id: pass,
    url: "http://hop/?forward=http://told/",
    headers: { baggage: member, "x-test-pass": pass },
    ratePerSecond: 20,
  });
  const told = async () => (await releaseOf(mesh, "told")).status;

  it("a hop that passes baggage on is no finding; one that drops it is, and so are callers without a proxy", async () => {
    await mesh.apply(versionYaml("told", "v2"));
    await releaseIs(mesh, "told", ({ status }) => status.weightPercent === 20 && status.phase === "Progressing");
    await mesh.run("client", chain("baggage"));
    await releaseIs(mesh, "told", ({ status }) => (status.sharePercent ?? 0) > 0);
    // Two looks after it could have been found.
    await eventually(async () => numberIn((await told()).verdict, / of ([\d,]+)/) > 40, 60_000, "requests through the hop");
    expect((await told()).findings).toBeUndefined();
    await mesh.run("client", { kind: "load-stop", id: "baggage" });

    await mesh.run("client", chain("w3c"));
    await mesh.run("legacy", { kind: "load-start", id: "legacy", url: "http://told/", ratePerSecond: 10 });
    const { status, story } = await releaseIs(mesh, "told", (view) => view.status.findings?.length === 2);
    expect(status.findings?.[0]).toMatch(
      /^[\d,]+ requests to told within a minute came from callers without a proxy, .*default\/legacy-v1-/,
    );
    expect(status.findings?.[1]).toMatch(/^[\d.]+ % of the requests to default\/hop-v1 say in `baggage` whose they are, /);
    expect(status.conditions.find(({ type }) => type === "Steered")).toMatchObject({ status: "False", reason: "CallersNotSteered" });
    for (const sentence of status.findings ?? []) expect(story.filter((line) => line.endsWith(sentence))).toHaveLength(1);
    const codes = async () =>
      (await mesh.client.diagnostics()).diagnostics.filter(({ resource }) => resource === "Release default/told").map(({ code }) => code);
    await expect.poll(codes, poll).toEqual(expect.arrayContaining(["LTN1131", "LTN1132"]));
    const reasons = async () =>
      (await reasonsOf("told", "Release")).filter((reason) => reason === "CallersNotSteered" || reason === "BaggageDropped").toSorted();
    await expect.poll(reasons, poll).toEqual(["BaggageDropped", "CallersNotSteered"]);
    const cli = (...args: readonly string[]) => lateenOn(mesh, ["release", ...args]);
    expect(await cli("undo", "told")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/ asked to undo: refused: nothing was promoted yet; abort gives v1/),
    });
    expect(await cli("pause", "told", "--as", "eve", "--reason", "a look")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^eve asked to pause \("a look"\): /),
    });
    expect(await cli("status", "told")).toMatchObject({
      code: 75,
      stdout: expect.stringContaining("! 100 % of the requests to default/hop-v1"),
    });
    expect((await cli("resume", "told")).code).toBe(0);
    expect((await cli("status", "told", "--wait", "--timeout", "1s")).code).toBe(124);
    expect(await cli("start", "nobody")).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("there is no Service default/nobody"),
    });
    await mesh.run("client", { kind: "load-stop", id: "w3c" });
    await mesh.run("legacy", { kind: "load-stop", id: "legacy" });
    await ask("told", "abort");
    await releaseIs(mesh, "told", "RolledBack");
  });
});

describe("people and time", () => {
  it("nothing grows in a freeze window; a named approver with a reason; kill -9 in a step; a newer version; abort; all without a failed request", async () => {
    const steps = [{ setWeight: 10, ...second }, { pause: { approvers: ["eve"] } }, { setWeight: 50, for: "10m", ...byClock }];
    const report = await underLoad(mesh, { from: "client", url: "http://moved/", ratePerSecond: 100 }, async () => {
      await mesh.apply(versionYaml("moved", "v2"));
      const waiting = await releaseIs(mesh, "moved", "Waiting");
      expect(waiting.status.verdict).toContain('waits for the end of freeze window "* * * * *"');
      await mesh.apply(releaseYaml("moved", { steps, windows: { deny: [] } }));
      await releaseIs(mesh, "moved", "Paused");
      await ask("moved", "resume", { reason: "me too" });
      await releaseIs(mesh, "moved", ({ story }) => story.some((line) => line.includes("only eve may")));
      await ask("moved", "resume", { actor: "eve", reason: "checked by hand" });
      await releaseIs(mesh, "moved", ({ status }) => status.weightPercent === 50);
      await controlPlaneOutage(mesh, 500);
      const after = await releaseIs(mesh, "moved", ({ status }) => status.step === 3 && status.phase === "Progressing");
      expect(after.story.filter((line) => line.includes("checked by hand")).length).toBe(1);
      await mesh.apply(versionYaml("moved", "v3"));
      const newer = await releaseIs(mesh, "moved", ({ status }) => status.candidate === "v3" && status.phase === "Paused");
      expect(newer.status).toMatchObject({ stable: "v1", run: "moved-2" });
      await ask("moved", "abort", { reason: "enough" });
      await releaseIs(mesh, "moved", "RolledBack");
      expect(await send("moved", 20)).toMatchObject({ byVersion: { v1: 20 } });
    });
    expect(failed(report)).toBe(0);
    const run = await mesh.client.get({ kind: "ReleaseRun", namespace: "default", name: "moved-1" });
    expect(run["status"]).toMatchObject({ outcome: "superseded" });
  });

  it("every transition is an event that kubectl finds", async () => {
    const wanted = ["Started", "StepEntered", "ResumeAsked", "Refused", "NewerVersion", "Superseded", "AbortAsked", "Aborted"];
    await expect.poll(() => reasonsOf("moved", "Service"), poll).toEqual(expect.arrayContaining(wanted));
  });

  it("metrics have every release, and no series a label twice", async () => {
    const { metricsPort } = await mesh.client.status();
    const page = async () => await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    const series = async () => (await page()).split("\n").filter((line) => line.startsWith("lateen_release_"));
    const back = /^lateen_release_phase\{namespace="default",release="moved",phase="RolledBack",.*\} 1$/;
    await expect.poll(series, poll).toContainEqual(expect.stringMatching(back));
    for (const line of await series()) {
      const names = [...line.matchAll(/([a-z_]+)="/g)].map(([, name]) => name);
      expect(new Set(names).size).toBe(names.length);
    }
  });
});
