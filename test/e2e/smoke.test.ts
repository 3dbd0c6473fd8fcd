// The whole path once: a mesh comes up, a canary splits traffic, everything is gone at the end.

import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { appYaml, TestMesh } from "../harness/mesh.ts";

let mesh: TestMesh;

beforeAll(async () => {
  mesh = await TestMesh.start({ manifests: `${appYaml("client", ["v1"])}---\n${appYaml("server", ["v1", "v2"])}` });
});

afterAll(async () => {
  await mesh?.close();
});

describe("a mesh", () => {
  it("splits traffic between versions without the applications knowing", async () => {
    await mesh.apply(`
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: server, namespace: default}
spec: {host: server, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server, namespace: default}
spec:
  hosts: [server]
  http: [{route: [{destination: {host: server, subset: v1}, weight: 100}, {destination: {host: server, subset: v2}, weight: 0}]}]
`);
    const only = await mesh.load("client", "http://server/", { count: 50 });
    expect(only.byVersion).toEqual({ v1: 50 });
  });

  it("leaves nothing behind", async () => {
    const { runDir } = mesh;
    expect(existsSync(runDir)).toBe(true);
    await mesh.close();
    expect(existsSync(runDir)).toBe(false);
  });
});
