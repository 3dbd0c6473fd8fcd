// The example of a feature flag as a whole mesh: through the OpenFeature SDK an application learns what the mesh does, before, during and after a release
// that lets the flag lead to a new version, also while the control plane is dead; and nobody outside can forge it.

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { parse } from "yaml";
import { cohortPoint } from "../../src/model/releases/cohort-point.ts";
import { lateenOn } from "../harness/cli.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, TestMesh } from "../harness/mesh.ts";
import { findProcesses } from "../harness/processes.ts";
import { root } from "../harness/program.ts";
import { istioYaml, to, yamlOf } from "../harness/traffic-yaml.ts";

const example = join(root, "examples/feature-flag");
const read = (file: string): string => readFileSync(join(example, file), "utf8");

let mesh: TestMesh;

beforeAll(async () => {
  const { images }: { images: Readonly<Record<string, { workingDir: string }>> } = parse(read("lateen.yaml"));
  mesh = await TestMesh.start({
    manifests: yamlOf(
      ...readdirSync(join(example, "manifests")).map((file) => read(`manifests/${file}`)),
      // Someone without a proxy, and a way straight to the service from outside.
      appYaml("plain", ["v1"], { sidecar: false }),
      istioYaml("VirtualService", "direct", { hosts: ["checkout.test"], gateways: ["edge"], http: [to("checkout")] }),
    ),
    lateenYaml: {
      gateway: { ports: { 80: 0 } },
      images: Object.fromEntries(
        Object.entries(images).map(([name, image]) => [name, { ...image, workingDir: join(example, image.workingDir) }]),
      ),
    },
  });
});
afterAll(async () => await mesh?.close());

interface Page {
  readonly value: boolean;
  readonly variant?: string;
  readonly reason?: string;
  readonly errorCode?: string;
  readonly checkout: { readonly version: string; readonly flag: string | null };
}

async function visit(headers: Readonly<Record<string, string>>): Promise<Page> {
  const { status, body } = await mesh.gateway("/", { headers });
  if (status !== 200) throw new Error(`${status} ${body}`);
  return JSON.parse(body);
}

const users = Array.from({ length: 60 }, (_, index) => `user-${index}`);
/** A quarter of all: the last places. */
const chosen = new Set(users.filter((user) => cohortPoint("default/checkout", user) >= 7500));

/** Every user, forging the flag the wrong way. */
async function visits(): Promise<ReadonlyMap<string, Page>> {
  const all = await Promise.all(
    users.map(
      async (user) =>
        [user, await visit({ cookie: `shopper=${user}`, "x-flag-new-checkout": chosen.has(user) ? "false" : "true" })] as const,
    ),
  );
  return new Map(all);
}

function expectPages(pages: ReadonlyMap<string, Page>, page: (isChosen: boolean) => object): void {
  for (const [user, seen] of pages) expect({ user, ...seen }).toMatchObject({ user, ...page(chosen.has(user)) });
}

it("before the release the flag is off for all, whatever its rules say", async () => {
  const off = { value: false, variant: "off", reason: "DEFAULT", checkout: { version: "v1", flag: "false" } };
  expectPages(await visits(), () => off);
  expect(await visit({ "x-tester": "yes" })).toMatchObject(off);
});

it("while it runs, value, header and version agree for every user", async () => {
  await mesh.apply(read("checkout-v2.yaml"));
  // The flag is answered as the mesh wants it; a moment later the last proxy does it.
  await eventually(async () => {
    const { value, checkout } = await visit({ "x-tester": "yes" });
    const { proxies } = (await mesh.client.releases.get("default", "checkout")).status;
    return value && checkout.version === "v2" && proxies?.acknowledged === proxies?.total;
  }, 60_000);
  expect(chosen.size).toBeGreaterThan(5);
  expectPages(await visits(), (on) => ({
    value: on,
    variant: on ? "on" : "off",
    reason: "SPLIT",
    checkout: { version: on ? "v2" : "v1", flag: `${on}` },
  }));
  expect(await visit({ "x-tester": "yes", "x-flag-new-checkout": "false" })).toMatchObject({
    value: true,
    reason: "TARGETING_MATCH",
    checkout: { version: "v2", flag: "true" },
  });
  // A stranger without the cookie is somebody all the same.
  for (let count = 0; count < 20; count += 1) {
    const { value, checkout } = await visit({});
    expect(checkout).toEqual({ version: value ? "v2" : "v1", flag: `${value}` });
  }
  // Straight to the service, forged.
  for (const user of users.slice(0, 20)) {
    const headers = { host: "checkout.test", cookie: `shopper=${user}`, "x-flag-new-checkout": chosen.has(user) ? "false" : "true" };
    const on = chosen.has(user);
    expect(JSON.parse((await mesh.gateway("/", { headers })).body)).toEqual({ version: on ? "v2" : "v1", flag: `${on}` });
  }
});

it("the command line and a pod without a proxy are told the same, each in its namespace", async () => {
  const [on = ""] = chosen;
  const flag = (...args: readonly string[]) => lateenOn(mesh, ["flag", ...args]);
  const [shown, nobody, other, list, one] = await Promise.all([
    flag("eval", "new-checkout", "--user", on),
    flag("eval", "new-checkout"),
    flag("eval", "other"),
    flag("list"),
    flag("get", "new-checkout"),
  ]);
  expect(shown.stdout.trim()).toBe("on = true (SPLIT); checkout.default gets it in x-flag-new-checkout, from version v2");
  expect(nobody).toMatchObject({ code: 1, stderr: expect.stringContaining("TARGETING_KEY_MISSING") });
  expect(other).toMatchObject({ code: 1, stderr: expect.stringContaining("flag list -A") });
  expect(list.stdout).toMatch(/default +new-checkout +checkout +x-flag-new-checkout +off \(false\) +2/);
  expect(one.stdout).toContain("25 % of users by cookie shopper");

  const url = "http://node.lateen.internal:8016/ofrep/v1/evaluate/flags";
  const json = { "content-type": "application/json" };
  const body = JSON.stringify({ context: { targetingKey: on } });
  const all = await mesh.http("plain", url, { method: "POST", headers: json, body });
  expect(JSON.parse(all.body)).toMatchObject({ flags: [{ key: "new-checkout", value: true, metadata: { version: "v2" } }] });
  const again = await mesh.http("plain", url, { method: "POST", headers: { ...json, "if-none-match": all.headers["etag"] }, body });
  expect(again.status).toBe(304);
  const missing = await mesh.http("plain", `${url}/other`, { method: "POST", headers: json, body });
  expect([missing.status, JSON.parse(missing.body)]).toMatchObject([404, { key: "other", errorCode: "FLAG_NOT_FOUND" }]);
  const broken = await mesh.http("plain", `${url}/new-checkout`, { method: "POST", headers: json, body: '{"context"' });
  expect([broken.status, JSON.parse(broken.body)]).toMatchObject([400, { key: "new-checkout", errorCode: "PARSE_ERROR" }]);
  for (const path of ["/apis/lateen.io/v1alpha1/featureflags", "/ofrep/v1/evaluate/flags/a/../../../../../apis"])
    expect((await mesh.http("plain", `http://node.lateen.internal:8016${path}`)).status).toBe(404);
});

it("the control plane's death changes no answer", async () => {
  const [controlPlane] = findProcesses(mesh.pid, /"role":"control-plane"/).toReversed();
  process.kill(controlPlane?.pid ?? 0, "SIGKILL");
  const pages = await visits();
  expectPages(pages, (on) => ({ value: on, checkout: { version: on ? "v2" : "v1", flag: `${on}` } }));
});

it("after promotion everybody has the new version, and the same users the flag", async () => {
  await eventually(
    async () =>
      await mesh.client.releases.ask("default", "checkout", { type: "promote", actor: "test", reason: "seen enough", full: true }).then(
        () => true,
        () => false,
      ),
    60_000,
  );
  const pages: Page[] = [];
  let index = 0;
  await eventually(async () => {
    pages.push(await visit({ cookie: `shopper=${users[index++ % users.length]}` }));
    const { status } = await mesh.client.releases.get("default", "checkout");
    return status.phase === "Finalising" && status.weightPercent === 100 && pages.at(-1)?.checkout.version === "v2";
  }, 60_000);
  // The move touched neither flag nor users: at any moment the application was told what OpenFeature said.
  expect(pages.filter(({ value, checkout }) => checkout.flag !== `${value}` || (value && checkout.version !== "v2"))).toEqual([]);
  expectPages(await visits(), (on) => ({ value: on, checkout: { version: "v2", flag: `${on}` } }));
});
