// The control plane is away for 20 seconds, three times.

import { afterAll, beforeAll, describe, it } from "vitest";
import { TestMesh } from "../harness/mesh.ts";
import { expectUnnoticedOutage, outageManifests } from "../harness/outage-case.ts";

let mesh: TestMesh;

beforeAll(async () => {
  mesh = await TestMesh.start({ manifests: outageManifests });
});

afterAll(async () => {
  await mesh?.close();
});

describe("20 seconds without the control plane", () => {
  it.each([1, 2, 3])("lose no request (%i)", async () => {
    await expectUnnoticedOutage(mesh, 20_000);
  });
});
