// The control plane is away for 20 seconds, three times.

import { afterAll, beforeAll, describe, it } from "vitest";
import { subsetsYaml, withoutRetries } from "../harness/manifests.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { expectUnnoticedOutage } from "../harness/outage-case.ts";

let mesh: TestMesh;

beforeAll(async () => {
  const manifests = `${withoutRetries}${appYaml("client", ["v1"])}---\n${appYaml("server", ["v1", "v2"])}---${subsetsYaml("server", ["v1", "v2"])}`;
  mesh = await TestMesh.start({ manifests });
});

afterAll(async () => {
  await mesh?.close();
});

describe("20 seconds without the control plane", () => {
  it.each([1, 2, 3])("lose no request (%i)", async () => {
    await expectUnnoticedOutage(mesh, 20_000);
  });
});
