// What a VirtualService's http route does with a request: rewrites, answers, time-outs, retries, faults, mirrors, headers; through real sidecars.

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { responseFlags } from "../harness/access-log.ts";
import { binomialBounds } from "../harness/binomial.ts";
import { eventually } from "../harness/eventually.ts";
import { appYaml, type HttpResult, serviceYaml, TestMesh } from "../harness/mesh.ts";
import { routedServiceYaml, to, yamlOf } from "../harness/traffic-yaml.ts";

let mesh: TestMesh;

const services: Readonly<Record<string, readonly object[]>> = {
  rewrite: [
    { match: [{ uri: { prefix: "/old/" } }], rewrite: { uri: "/new/" }, ...to("rewrite", "v1") },
    { match: [{ uri: { prefix: "/host" } }], rewrite: { authority: "other.test" }, ...to("rewrite", "v1") },
    {
      match: [{ uri: { prefix: "/regex" } }],
      rewrite: { uriRegexRewrite: { match: "^/regex/([a-z]+)/([0-9]+)(.*)$", rewrite: "/\\2/\\1\\3" } },
      ...to("rewrite", "v1"),
    },
  ],
  redirect: [
    { match: [{ uri: { exact: "/plain" } }], redirect: { uri: "/there" } },
    { match: [{ uri: { prefix: "/prefix/" } }], redirect: { prefixRewrite: "/there/", redirectCode: 308 } },
    { match: [{ uri: { prefix: "/" } }], redirect: { scheme: "https", authority: "other.test", port: 8443, redirectCode: 302 } },
  ],
  answer: [
    { match: [{ uri: { prefix: "/teapot" } }], directResponse: { status: 418, body: { string: "short and stout" } } },
    { directResponse: { status: 204 } },
  ],
  slow: [{ match: [{ uri: { prefix: "/limited" } }], timeout: "1s", ...to("slow", "v1") }, to("slow", "v1")],
  retry: [
    { match: [{ uri: { prefix: "/three" } }], retries: { attempts: 3, retryOn: "5xx", backoff: "1ms" }, ...to("retry", "v1") },
    { match: [{ uri: { prefix: "/by-code" } }], retries: { attempts: 2, retryOn: "418", backoff: "1ms" }, ...to("retry", "v1") },
    { match: [{ uri: { prefix: "/reset" } }], retries: { attempts: 1, retryOn: "gateway-error", backoff: "1ms" }, ...to("retry", "v1") },
    {
      match: [{ uri: { prefix: "/per-try" } }],
      retries: { attempts: 2, perTryTimeout: "0.5s", retryOn: "5xx", backoff: "1ms" },
      ...to("retry", "v1"),
    },
    {
      match: [{ uri: { prefix: "/in-all" } }],
      timeout: "1.25s",
      retries: { attempts: 20, perTryTimeout: "0.5s", retryOn: "5xx", backoff: "1ms" },
      ...to("retry", "v1"),
    },
    { match: [{ uri: { prefix: "/off" } }], retries: { attempts: 0 }, ...to("retry", "v1") },
    to("retry", "v1"),
  ],
  fault: [
    { match: [{ uri: { prefix: "/abort" } }], fault: { abort: { httpStatus: 418, percentage: { value: 100 } } }, ...to("fault", "v1") },
    { match: [{ uri: { prefix: "/some" } }], fault: { abort: { httpStatus: 429, percentage: { value: 12.5 } } }, ...to("fault", "v1") },
    {
      match: [{ uri: { prefix: "/late" } }],
      fault: { delay: { fixedDelay: "0.3s", percentage: { value: 100 } } },
      ...to("fault", "v1"),
    },
    {
      match: [{ uri: { prefix: "/half-late" } }],
      fault: { delay: { fixedDelay: "1s", percentage: { value: 50 } } },
      ...to("fault", "v1"),
    },
    {
      match: [{ uri: { prefix: "/both" } }],
      fault: { delay: { fixedDelay: "0.1s", percentage: { value: 100 } }, abort: { httpStatus: 400, percentage: { value: 100 } } },
      ...to("fault", "v1"),
    },
    { match: [{ uri: { prefix: "/never" } }], fault: { abort: { httpStatus: 500, percentage: { value: 0 } } }, ...to("fault", "v1") },
    to("fault", "v1"),
  ],
  mirror: [
    {
      match: [{ uri: { prefix: "/some" } }],
      mirrors: [{ destination: { host: "mirror", subset: "v2" }, percentage: { value: 25 } }],
      ...to("mirror", "v1"),
    },
    { match: [{ uri: { prefix: "/dead" } }], mirror: { host: "nobody" }, ...to("mirror", "v1") },
    { mirror: { host: "mirror", subset: "v2" }, ...to("mirror", "v1") },
  ],
  headers: [
    {
      headers: {
        request: { set: { "x-set": "route", "x-route": "1" }, add: { "x-added": "two" }, remove: ["x-gone"] },
        response: { set: { "x-answer": "route" }, remove: ["x-pod"] },
      },
      route: [
        {
          destination: { host: "headers", subset: "v1" },
          headers: { request: { set: { "x-dest": "v1" } }, response: { add: { "x-dest-answer": "v1" } } },
        },
      ],
    },
  ],
  "set-host": [{ headers: { request: { set: { Host: "set.test" } } }, ...to("set-host", "v1") }],
  cors: [
    {
      corsPolicy: {
        allowOrigins: [{ exact: "https://good.test" }],
        allowMethods: ["GET", "PUT"],
        allowHeaders: ["x-mine"],
        maxAge: "1h",
        allowCredentials: true,
      },
      ...to("cors", "v1"),
    },
  ],
};

beforeAll(async () => {
  const routed = Object.entries(services).map(([name, http]) => routedServiceYaml(name, http));
  const manifests = yamlOf(appYaml("client", ["v1"]), appYaml("server", ["v1", "v2"]), serviceYaml("nobody"), ...routed);
  mesh = await TestMesh.start({ manifests });
});
afterAll(async () => {
  await mesh?.close();
});

const ask = (url: string, request: Readonly<Record<string, unknown>> = {}) => mesh.http("client", `http://${url}`, request);

interface Seen {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
}

function seenIn({ body }: HttpResult): Seen {
  return JSON.parse(body);
}

const arrivals: Record<string, Seen[]> = { v1: [], v2: [] };

/** Requests that arrived at a version so far, on paths that begin so. */
async function arrived(version: "v1" | "v2", path: string): Promise<readonly Seen[]> {
  for (const pod of await mesh.pods("server")) {
    const seen = (await mesh.runIn(pod, { kind: "seen" })) as Seen[];
    arrivals[pod.includes("-v2-") ? "v2" : "v1"]?.push(...seen);
  }
  return (arrivals[version] ?? []).filter((request) => request.path.startsWith(path));
}

describe("rewrite", () => {
  it.each([
    ["/old/page?q=1", { path: "/new/page?q=1", host: "rewrite" }],
    ["/host/x", { path: "/host/x", host: "other.test" }],
    ["/regex/abc/12?q=1", { path: "/12/abc?q=1", host: "rewrite" }],
  ])("%s", async (path, expected) => {
    const seen = seenIn(await ask(`rewrite${path}`));
    expect({ path: seen.path, host: seen.headers["host"] }).toEqual(expected);
  });

  it("without a route that takes it, a request is not found", async () => {
    expect((await ask("rewrite/none")).status).toBe(404);
  });
});

describe("answers without an upstream", () => {
  it.each([
    ["/plain", 301, "http://redirect/there"],
    ["/prefix/a?b=1", 308, "http://redirect/there/a?b=1"],
    ["/else", 302, "https://other.test:8443/else"],
  ])("redirect %s", async (path, status, location) => {
    const reply = await ask(`redirect${path}`);
    expect([reply.status, reply.headers["location"]]).toEqual([status, location]);
  });

  it("direct responses", async () => {
    const teapot = await ask("answer/teapot");
    expect([teapot.status, teapot.body, (await ask("answer/")).status]).toEqual([418, "short and stout", 204]);
  });
});

describe("timeout", () => {
  it("ends what takes longer, with flag UT; without one the mesh waits", async () => {
    expect((await ask("slow/limited?delay=3000")).status).toBe(504);
    expect((await ask("slow/limited?delay=1")).status).toBe(200);
    expect((await ask("slow/?delay=1500")).status).toBe(200);
    await mesh.logged((line) => line.includes("/limited?delay=3000") && responseFlags(line) === "UT");
  });
});

describe("retries", () => {
  it.each([
    ["/three?status=503", 503, 4],
    ["/by-code?status=418", 418, 3],
    ["/by-code-not?status=503", 503, 1],
    ["/reset?reset=1", 503, 2],
    ["/off?status=503", 503, 1],
    ["/off?reset=1", 503, 1],
    // Istio's default retries what never reached the application, so not what it answered or broke off.
    ["/default?status=503", 503, 1],
    ["/default?reset=1", 503, 1],
    ["/per-try?delay=3000", 504, 3],
  ])("%s ends with %i after %i tries", async (path, status, tries) => {
    const reply = await ask(`retry${path}`);
    // Of a try that is given up the application learns too, a moment later.
    await eventually(async () => (await arrived("v1", path)).length >= tries, 60_000, `${tries} tries`);
    expect([reply.status, (await arrived("v1", path)).length]).toEqual([status, tries]);
  });

  it("the route's timeout covers all tries", async () => {
    const reply = await ask("retry/in-all?delay=3000");
    const tries = (await arrived("v1", "/in-all")).length;
    expect([reply.status, tries >= 2 && tries <= 4]).toEqual([504, true]);
  });
});

describe("faults", () => {
  it("abort all, some, none", async () => {
    expect((await mesh.load("client", "http://fault/abort", { count: 50, mixPost: true })).byStatus).toEqual({ 418: 50 });
    expect((await mesh.load("client", "http://fault/never", { count: 50 })).byStatus).toEqual({ 200: 50 });
    const { byStatus } = await mesh.load("client", "http://fault/some", { count: 2000, concurrency: 16 });
    const { min, max } = binomialBounds(2000, 0.125);
    expect(byStatus[429]).toBeGreaterThanOrEqual(min);
    expect(byStatus[429]).toBeLessThanOrEqual(max);
    expect((byStatus[200] ?? 0) + (byStatus[429] ?? 0)).toBe(2000);
    await mesh.logged((line) => line.includes("/abort") && responseFlags(line) === "FI");
  });

  it("delay all, half; delay and abort together", async () => {
    const late = await ask("fault/late");
    expect([late.status, late.ms > 200]).toEqual([200, true]);
    const both = await ask("fault/both");
    expect([both.status, both.ms > 50]).toEqual([400, true]);
    const results = (await mesh.run("client", {
      kind: "http",
      url: "http://fault/half-late",
      count: 200,
      concurrency: 64,
    })) as HttpResult[];
    // By the proxy's word: on a busy machine others take their time too.
    const lines = () =>
      mesh
        .accessLog(/_client-/)
        .split("\n")
        .filter((line) => line.includes("/half-late"));
    await eventually(() => lines().length === 200, 60_000, "all requests in the log");
    const delayed = lines().filter((line) => responseFlags(line) === "DI").length;
    const { min, max } = binomialBounds(200, 0.5);
    expect([results.every(({ status }) => status === 200), delayed >= min, delayed <= max]).toEqual([true, true, true]);
    expect(results.filter(({ ms }) => ms > 900).length).toBeGreaterThanOrEqual(delayed);
  });
});

describe("mirrors", () => {
  it("copy every request while the answer comes from the route alone", async () => {
    const { byVersion } = await mesh.load("client", "http://mirror/all", { count: 200, mixPost: true, freshShare: 0.2 });
    expect(byVersion).toEqual({ v1: 200 });
    await eventually(async () => (await arrived("v2", "/all")).length >= 200);
    const copies = await arrived("v2", "/all");
    const first = copies[0];
    expect([copies.length, first?.headers["host"]]).toEqual([200, "mirror-shadow"]);
    expect(copies.filter(({ method }) => method === "POST").length).toBe(
      (await arrived("v1", "/all")).filter((one) => one.method === "POST").length,
    );
  });

  it("copy the given share", async () => {
    const { byVersion } = await mesh.load("client", "http://mirror/some", { count: 800, concurrency: 16 });
    expect(byVersion).toEqual({ v1: 800 });
    const { min, max } = binomialBounds(800, 0.25);
    await eventually(async () => (await arrived("v2", "/some")).length >= min);
    expect((await arrived("v2", "/some")).length).toBeLessThanOrEqual(max);
  });

  it("don't hurt when nobody is there to take them", async () => {
    const { byStatus } = await mesh.load("client", "http://mirror/dead", { count: 100, mixPost: true, freshShare: 0.2 });
    expect(byStatus).toEqual({ 200: 100 });
  });
});

describe("headers", () => {
  it("are set, added and removed for the route and for the destination", async () => {
    const reply = await ask("headers/", { headers: { "x-set": "mine", "x-added": "one", "x-gone": "here" } });
    const { headers } = seenIn(reply);
    expect(headers).toMatchObject({ "x-set": "route", "x-route": "1", "x-added": "one, two", "x-dest": "v1" });
    expect(headers["x-gone"]).toBeUndefined();
    expect(reply.headers).toMatchObject({ "x-answer": "route", "x-dest-answer": "v1" });
    expect(reply.headers["x-pod"]).toBeUndefined();
  });

  it("setting Host rewrites the authority", async () => {
    expect(seenIn(await ask("set-host/")).headers["host"]).toBe("set.test");
  });

  it("answer preflights of allowed origins only", async () => {
    const preflight = (origin: string) => ask("cors/", { method: "OPTIONS", headers: { origin, "access-control-request-method": "PUT" } });
    const good = await preflight("https://good.test");
    expect(good.headers).toMatchObject({
      "access-control-allow-origin": "https://good.test",
      "access-control-allow-methods": "GET,PUT",
      "access-control-allow-headers": "x-mine",
      "access-control-max-age": "3600",
      "access-control-allow-credentials": "true",
    });
    const bad = await preflight("https://bad.test");
    expect(bad.headers["access-control-allow-origin"]).toBeUndefined();
  });
});
