// Releases of a service that is TCP alone: judged by its connections, as callers and the proxies before the servers see them.

import { afterAll, beforeAll, expect, it } from "vitest";
import { appYaml, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { releaseIs, releaseYaml } from "../harness/releases.ts";
import { yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

/** Ready by its probe; on the released port it refuses connections, or resets what it accepted. */
const bad = (listen: string) => ({
  command: ["node", "-e", `require("node:http").createServer((_, r) => r.end()).listen(8080); ${listen}`],
});
const images = {
  "test/refusing": bad(""),
  "test/resetting": bad(`require("node:net").createServer((socket) => setTimeout(() => socket.resetAndDestroy(), 20)).listen(8082)`),
};

/** A part of the connections, on evidence that comes within seconds; nothing is said of how latency would be judged. */
const steps = [20, 60].map((setWeight) => ({ setWeight, for: "1s" }));
const analysis = { metrics: [{ name: "errors", margin: { plus: 0.05 } }, { name: "latency" }] };

beforeAll(async () => {
  mesh = await TestMesh.start({
    lateenYaml: { images },
    manifests: yamlOf(
      appYaml("client", ["v1"]),
      appYaml("wire", ["v1"]),
      serviceYaml("line", { app: "wire", ports: [{ name: "tcp", port: 83, targetPort: 8082 }] }),
      releaseYaml("line", { steps, analysis, warm: "1s" }),
    ),
  });
  await releaseIs(mesh, "line", ({ status }) => status.stable === "v1");
}, 240_000);
afterAll(async () => {
  await mesh?.close();
});

const badYaml = (version: string, image: string) => appYaml("wire", [version]).replace(`test/app:${version}`, image);

/** Connects as fast as it is served, one after another in four places, until it is done; who greeted, and how often nobody did. */
async function whileConnecting<T>(act: () => Promise<T>): Promise<{ readonly done: T; readonly greeted: ReadonlySet<string> }> {
  const end = new AbortController();
  const greeted = new Set<string>();
  const connecting = (async () => {
    while (!end.signal.aborted) {
      const { byVersion } = (await mesh.run("client", { kind: "tcp-burst", host: "line", port: 83, count: 50, concurrency: 4 })) as {
        byVersion: Record<string, number>;
      };
      for (const version of Object.keys(byVersion)) greeted.add(version);
    }
  })();
  try {
    return { done: await act(), greeted };
  } finally {
    end.abort();
    await connecting;
  }
}

it("a version that refuses connections goes back by itself, one that resets them too, and a healthy one is promoted on evidence", async () => {
  await whileConnecting(async () => {
    await mesh.apply(badYaml("refusing", "test/refusing"));
    const refusing = await releaseIs(mesh, "line", "RolledBack");
    expect(refusing.status.verdict).toMatch(
      /^connection failures 100 % of [\d,]+ against 0 % of [\d,]+: worse than allowed by connection failures/,
    );
    expect(refusing.story.join("\n")).toMatch(/step 1 of 2 \(20 % of connections\)/);
    await mesh.apply(badYaml("resetting", "test/resetting"));
    const resetting = await releaseIs(mesh, "line", ({ status }) => status.phase === "RolledBack" && status.candidate === "resetting");
    expect(resetting.status.verdict).toMatch(/^connection failures 100 % of [\d,]+ against 0 % of [\d,]+: worse than allowed/);
    const plan = await mesh.client.releases.plan("default", "line");
    expect(plan.plan.traffic).toMatchObject({ unit: "connections" });
  });
  const { greeted } = await whileConnecting(async () => {
    await mesh.apply(appYaml("wire", ["v2"]));
    const { story } = await releaseIs(mesh, "line", ({ status }) => status.candidate === "v2" && status.phase === "Succeeded");
    expect(story.join("\n")).toMatch(/connection failures 0 % of [\d,]+ against 0 % of [\d,]+: shown to be within the margin/);
  });
  expect([...greeted].toSorted()).toEqual(["v1", "v2"]);
});
