import { join } from "node:path";
import Fastify from "fastify";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openTokenKeys } from "../../ca/jwks.ts";
import { systemSurroundings } from "../../ca/leaf.ts";
import { temporaryDirectory } from "../../ca/testing/world.ts";
import { tokenService } from "../../ca/tokens.ts";
import { systemClock } from "../../lib/clock.ts";
import { MeshError } from "../../lib/errors.ts";
import { apiParser } from "../../store/api-parser.ts";
import { MemoryStore } from "../../store/memory-store.ts";
import { acceptedOf } from "../../store/store.ts";
import { addTokenRequestRoute } from "./token-request.ts";

const directory = temporaryDirectory();
const store = new MemoryStore({ clock: systemClock, parser: apiParser, newUid: () => crypto.randomUUID(), historySize: 20 });
const keys = openTokenKeys({ directory: join(directory.path, "keys"), surroundings: systemSurroundings });
const service = tokenService({ keys, issuer: "https://kubernetes", isAlive: () => true });
const app = Fastify();
let podUid = "";

beforeAll(() => {
  const metadata = (name: string) => ({ name, namespace: "shop" });
  store.create({ apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } });
  for (const name of ["web", "other"]) store.create({ apiVersion: "v1", kind: "ServiceAccount", metadata: metadata(name) });
  const spec = { serviceAccountName: "web", containers: [{ name: "app", image: "app" }] };
  podUid = acceptedOf(store.create({ apiVersion: "v1", kind: "Pod", metadata: metadata("web-1"), spec })).uid;
  addTokenRequestRoute(app, { store }, { service, defaultAudience: "https://kubernetes" });
  app.setErrorHandler((error, _request, reply) => reply.code(400).send({ code: MeshError.from(error).code }));
});

afterAll(async () => {
  await app.close();
  directory[Symbol.dispose]();
});

async function ask(account: string, spec: object): Promise<Record<string, unknown>> {
  const url = `/api/v1/namespaces/shop/serviceaccounts/${account}/token`;
  return (await app.inject({ method: "POST", url, payload: { kind: "TokenRequest", spec } })).json();
}

describe("a TokenRequest", () => {
  it("makes a token for the audiences asked for, bound to the pod", async () => {
    const body = await ask("web", {
      audiences: ["istio-ca"],
      expirationSeconds: 600,
      boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "web-1", uid: podUid },
    });
    const { token = "" } = Object(body["status"]) as { token?: string };
    const review = await service.review(token, "istio-ca");
    expect(review).toMatchObject({
      authenticated: true,
      subject: { namespace: "shop", serviceAccount: { name: "web" }, pod: { name: "web-1", uid: podUid } },
    });
    expect((await service.review(token, "https://kubernetes")).authenticated).toBe(false);
  });

  it("is for the API without an audience", async () => {
    const body = await ask("web", {});
    const { token = "" } = Object(body["status"]) as { token?: string };
    expect((await service.review(token, "https://kubernetes")).authenticated).toBe(true);
  });

  it.each([
    ["an unknown account", "not_found", "nobody", {}],
    ["an unknown pod", "not_found", "web", { boundObjectRef: { kind: "Pod", name: "web-2" } }],
    ["a pod of another uid", "conflict", "web", { boundObjectRef: { kind: "Pod", name: "web-1", uid: "x" } }],
    ["another account's pod", "bad_request", "other", { boundObjectRef: { kind: "Pod", name: "web-1" } }],
    ["a secret", "bad_request", "web", { boundObjectRef: { kind: "Secret", name: "web-1" } }],
    ["a year", "bad_request", "web", { expirationSeconds: 31_536_000 }],
    ["a minute", "bad_request", "web", { expirationSeconds: 60 }],
  ])("of %s is refused", async (_, code, account, spec) => {
    expect(await ask(account, spec)).toEqual({ code });
  });
});
