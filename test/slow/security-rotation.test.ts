// 500 renewals of certificates that live for 10 s, under 200 requests per second: no request is lost, no connection reset.

import { afterAll, beforeAll, expect, it } from "vitest";
import { withoutRetries } from "../harness/manifests.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { envoyStats } from "../harness/outage.ts";
import { renewAll } from "../harness/rotation.ts";
import { acceptsYaml } from "../harness/security-yaml.ts";
import { yamlOf } from "../harness/traffic-yaml.ts";
import { lossesOf, nothing, underLoad } from "../harness/under-load.ts";

const rounds = 500;
let mesh: TestMesh;

beforeAll(async () => {
  const manifests = withoutRetries + yamlOf(appYaml("client", ["v1"]), appYaml("server", ["v1"]), acceptsYaml("server", "STRICT"));
  mesh = await TestMesh.start({ manifests, env: { LATEEN_CERTIFICATE_TTL: "10s" } });
});
afterAll(() => mesh?.close());

it(`${rounds} rotations lose nothing`, async () => {
  const [client = "", server = ""] = [...(await mesh.pods("client")), ...(await mesh.pods("server"))];
  const failures = async () => ({
    ...(await envoyStats(
      mesh,
      client,
      /^cluster\.outbound\|80\|\|server.*(ssl\.(connection_error|fail_verify_\w+)|rq_rx_reset|cx_connect_fail)$/,
    )),
    ...(await envoyStats(mesh, server, /^listener\..*ssl\.(connection_error|fail_verify_\w+)$/)),
  });
  const before = await failures();
  expect(Object.keys(before).length).toBeGreaterThan(4);
  const report = await underLoad(mesh, { from: "client", url: "http://server/" }, async () => {
    for (let round = 0; round < rounds; round++) await renewAll(mesh);
  });
  expect(lossesOf(report)).toEqual(nothing);
  expect(report.total).toBeGreaterThan(rounds * 2);
  expect(await failures()).toEqual(before);
});
