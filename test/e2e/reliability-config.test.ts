// Configuration changes under load lose no request: subsets that come and go, a hundred weight changes, structural changes beside them.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { splitYaml, subsetsYaml, withoutRetries } from "../harness/manifests.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { failed, lossesOf, nothing, underLoad } from "../harness/under-load.ts";

const rounds = 20;
const weightChanges = 100;
const load = { from: "client", url: "http://server/" };
let mesh: TestMesh;

beforeAll(async () => {
  mesh = await TestMesh.start({ manifests: `${withoutRetries}${appYaml("client", ["v1"])}---\n${appYaml("server", ["v1", "v2"])}` });
});

afterAll(async () => {
  await mesh?.close();
});

describe("under 200 requests per second, without retries", () => {
  it("routes to new subsets appear and vanish together with them, 20 times", async () => {
    const report = await underLoad(mesh, load, async () => {
      for (let round = 0; round < rounds; round++) {
        const versions = round % 2 === 0 ? ["v1", "v2"] : ["v2"];
        const yaml = `${splitYaml("server", { [versions.at(-1) ?? ""]: 100 })}---${subsetsYaml("server", versions)}`;
        await mesh.apply(yaml);
        await mesh.remove(yaml);
      }
    });
    expect(lossesOf(report)).toEqual(nothing);
    expect(report.byVersion["v1"]).toBeGreaterThan(0);
  });

  it("shares follow a hundred weight changes, with structural changes beside them", async () => {
    await mesh.apply(`${subsetsYaml("server", ["v1", "v2"])}---${splitYaml("server", { v1: 100, v2: 0 })}`);
    const report = await underLoad(mesh, load, async () => {
      const structural = (async () => {
        for (let round = 0; round < 10; round++) {
          const name = `other-${round}`;
          const yaml = `${subsetsYaml(name, ["v1"])}---${splitYaml(name, { v1: 100 })}---
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: default}
spec: {selector: {app: server}, ports: [{name: http, port: 80, targetPort: 8080}]}
`;
          await mesh.apply(yaml);
          await mesh.remove(yaml);
        }
      })();
      for (let change = 1; change <= weightChanges; change++) {
        await mesh.apply(splitYaml("server", { v1: 100 - change, v2: change }));
      }
      await structural;
    });
    expect(lossesOf(report)).toEqual(nothing);
    const after = await mesh.load("client", "http://server/", { count: 200 });
    expect(after.byVersion).toEqual({ v2: 200 });
    await mesh.apply(splitYaml("server", { v1: 0, v2: 0 }).replace("weight: 0", "weight: 50").replace("weight: 0", "weight: 50"));
    const even = await mesh.load("client", "http://server/", { count: 400 });
    expect(even.byVersion["v1"]).toBeGreaterThan(120);
    expect(even.byVersion["v2"]).toBeGreaterThan(120);
    expect(failed(even)).toBe(0);
  });
});
