// Under 200 requests per second: 500 renewals of certificates that live for 10 s, and root rotations during which the control plane is killed.
// No request is lost, no connection reset.

import { setTimeout as pause } from "node:timers/promises";
import { afterAll, beforeAll, expect, it } from "vitest";
import { withoutRetries } from "../harness/manifests.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { controlPlaneOutage, envoyStats } from "../harness/outage.ts";
import { renewAll, rotateRoot } from "../harness/rotation.ts";
import { acceptsYaml } from "../harness/security-yaml.ts";
import { yamlOf } from "../harness/traffic-yaml.ts";
import { lossesOf, nothing, underLoad } from "../harness/under-load.ts";

/** A part's access log lines must fit into what a log keeps. */
const [parts, roundsOfPart] = [10, 50];
let mesh: TestMesh;

beforeAll(async () => {
  const manifests = withoutRetries + yamlOf(appYaml("client", ["v1"]), appYaml("server", ["v1"]), acceptsYaml("server", "STRICT"));
  mesh = await TestMesh.start({ manifests, env: { LATEEN_CERTIFICATE_TTL: "10s" } });
});
afterAll(() => mesh?.close());

it(`${parts * roundsOfPart} rotations lose nothing`, async () => {
  const [client = "", server = ""] = [...(await mesh.pods("client")), ...(await mesh.pods("server"))];
  const handshakes = /^cluster\.outbound\|80\|\|server.*(ssl\.(connection_error|fail_verify_\w+)|rq_rx_reset|cx_connect_fail)$/;
  const failures = async () => ({
    ...(await envoyStats(mesh, client, handshakes)),
    ...(await envoyStats(mesh, server, /^listener\..*ssl\.(connection_error|fail_verify_\w+)$/)),
  });
  const before = await failures();
  expect(Object.keys(before).length).toBeGreaterThan(4);
  for (let part = 0; part < parts; part++) {
    const report = await underLoad(mesh, { from: "client", url: "http://server/" }, async () => {
      for (let round = 0; round < roundsOfPart; round++) await renewAll(mesh);
    });
    expect(lossesOf(report)).toEqual(nothing);
  }
  expect(await failures()).toEqual(before);
});

it("eight root rotations, each with the control plane killed at another moment, lose nothing and end", async () => {
  const report = await underLoad(mesh, { from: "client", url: "http://server/" }, async () => {
    for (let round = 0; round < 8; round++) {
      await rotateRoot(mesh, async () => {
        await pause(round * 40);
        await controlPlaneOutage(mesh, 100);
      });
    }
  });
  expect(lossesOf(report)).toEqual(nothing);
});
