// The fetcher against real HTTPS servers on loopback, which is allowed here by name: what is fetched, what is refused, and what is kept.

import { generateKeyPairSync } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer } from "node:https";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../../test/harness/eventually.ts";
import { testAuthority } from "../../test/harness/test-identities.ts";
import { parseKeySet } from "../api/security/key-set.ts";
import { durationMs } from "../lib/duration.ts";
import { silentLogger } from "../lib/log.ts";
import type { WantedKeySet } from "../model/key-sets.ts";
import { fetchText } from "./jwks/fetch-text.ts";
import { decideRefetch, refreshMs } from "./jwks/refetch.ts";
import { JwksFetcher, type JwksFetcherOptions } from "./jwks-fetcher.ts";

const authority = testAuthority();
const host = "keys.test.example";
const loopback = [{ address: "127.0.0.1", family: 4 }];
type Handler = (request: IncomingMessage, response: ServerResponse) => void;
const handlers = new Map<string, Handler>();
const requests: string[] = [];
let port = 0;
let resolved: string[] = [];

const identity = authority.issue({ uri: "spiffe://test/ns/a/sa/b", dnsNames: [host] });
const server = createServer({ cert: identity.certificatePem, key: identity.keyPem }, (request, response) => {
  requests.push(request.url ?? "");
  const handler = handlers.get(request.url ?? "");
  if (handler === undefined) response.writeHead(404).end("secret body");
  else handler(request, response);
});

beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});
beforeEach(() => {
  handlers.clear();
  requests.length = 0;
  resolved = [];
});

const uriOf = (path: string): string => `https://${host}:${port}${path}`;
const wanted = (path: string, more: Partial<WantedKeySet> = {}): WantedKeySet => ({
  uri: uriOf(path),
  isDiscovery: false,
  timeout: durationMs(2000),
  ...more,
});
const answer =
  (text: string, headers: Record<string, string> = {}): Handler =>
  (_, response) =>
    void response.writeHead(200, headers).end(text);
const redirect =
  (location: string, status = 302): Handler =>
  (_, response) =>
    void response.writeHead(status, { location }).end();

function keySet(kid: string): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return JSON.stringify({
    keys: [
      { ...privateKey.export({ format: "jwk" }), kid },
      { kty: "oct", k: "secret", kid: "s" },
    ],
  });
}

const options = {
  allowance: { hosts: [host], ranges: [] },
  roots: [authority.certificatePem],
  resolve: async (name: string) => {
    resolved.push(name);
    return loopback;
  },
};

function fetcher(more: Partial<JwksFetcherOptions> = {}): JwksFetcher & Disposable {
  const made = new JwksFetcher({ onChange: () => {}, logger: silentLogger, ...options, ...more });
  return Object.assign(made, { [Symbol.dispose]: () => made.close() });
}

describe("a key set", () => {
  test("is fetched, and only its public keys are kept", async () => {
    const text = keySet("a");
    handlers.set("/keys", answer(text));
    let changes = 0;
    using keys = fetcher({ onChange: () => (changes += 1) });
    keys.want([wanted("/keys")]);
    expect(keys.jwks.size).toBe(0);
    await eventually(() => keys.jwks.size === 1);
    expect(keys.jwks.get(uriOf("/keys"))).toBe(parseKeySet(text).keySet);
    expect(keys.jwks.get(uriOf("/keys"))).not.toMatch(/secret|"d"/);
    expect(keys.problems.size).toBe(0);
    expect(changes).toBe(1);
    const before = keys.jwks;
    keys.want([wanted("/keys")]);
    expect(keys.jwks).toBe(before);
    keys.want([]);
    expect(keys.jwks.size).toBe(0);
    expect(requests).toEqual(["/keys"]);
  });

  test("is found through the description of an OpenID provider", async () => {
    handlers.set("/.well-known/openid-configuration", answer(JSON.stringify({ issuer: "x", jwks_uri: uriOf("/keys") })));
    handlers.set("/keys", answer(keySet("a")));
    using keys = fetcher();
    const one = wanted("/.well-known/openid-configuration", { isDiscovery: true });
    keys.want([one]);
    await eventually(() => keys.jwks.has(one.uri));
  });

  test("is not fetched from where a description may not lead", async () => {
    using keys = fetcher();
    const targets = [`https://127.0.0.1:${port}/hidden`, `http://${host}:${port}/hidden`, "file:///etc/passwd", ""];
    handlers.set("/hidden", answer(keySet("a")));
    const all = targets.map((target, index) => {
      handlers.set(`/${index}`, answer(JSON.stringify({ jwks_uri: target })));
      return wanted(`/${index}`, { isDiscovery: true });
    });
    keys.want([...all, wanted("/0?plain")]);
    await eventually(() => keys.problems.size === targets.length + 1);
    expect(keys.jwks.size).toBe(0);
    expect(requests).not.toContain("/hidden");
  });

  test("follows redirects, each looked up and checked", async () => {
    handlers.set("/a", redirect("/b", 301));
    handlers.set("/b", redirect(uriOf("/keys"), 307));
    handlers.set("/keys", answer(keySet("a")));
    using keys = fetcher();
    keys.want([wanted("/a")]);
    await eventually(() => keys.jwks.has(uriOf("/a")));
    expect(resolved).toEqual([host, host, host]);
  });

  test("that was good stays when it can't be fetched again, and changes when it can", async () => {
    const [old, next] = [keySet("a"), keySet("b")];
    let text = old;
    let status = 200;
    handlers.set("/keys", (_, response) => void response.writeHead(status).end(text));
    using keys = fetcher({ refetch: () => 5 });
    keys.want([wanted("/keys")]);
    await eventually(() => keys.jwks.has(uriOf("/keys")));
    const before = keys.jwks;
    status = 500;
    await eventually(() => keys.problems.get(uriOf("/keys")) === "it answered 500");
    expect(keys.jwks).toBe(before);
    [status, text] = [200, "{}"];
    await eventually(() => keys.problems.get(uriOf("/keys"))?.startsWith("what it answered holds no keys") === true);
    expect(keys.jwks).toBe(before);
    text = next;
    await eventually(() => keys.jwks.get(uriOf("/keys")) === parseKeySet(next).keySet);
    expect(keys.problems.size).toBe(0);
  });

  test("of the process before is there at once, and is fetched again", async () => {
    using keys = fetcher({ initial: new Map([[uriOf("/keys"), "old"]]) });
    expect(keys.jwks.get(uriOf("/keys"))).toBe("old");
    keys.want([wanted("/keys")]);
    expect(keys.jwks.get(uriOf("/keys"))).toBe("old");
    await eventually(() => keys.problems.get(uriOf("/keys")) === "it answered 404");
    expect(keys.jwks.get(uriOf("/keys"))).toBe("old");
  });

  test("at a refused address is fetched once that is allowed", async () => {
    handlers.set("/keys", answer(keySet("a")));
    using keys = fetcher({ allowance: { hosts: [], ranges: [] } });
    keys.want([wanted("/keys")]);
    await eventually(() => keys.problems.get(uriOf("/keys")) === `${host} is at a loopback address`);
    expect(requests).toEqual([]);
    keys.allow({ hosts: [], ranges: ["127.0.0.1"] });
    await eventually(() => keys.jwks.size === 1);
    expect(keys.problems.size).toBe(0);
  });

  test("is one of few that are fetched at a time", async () => {
    let [now, most] = [0, 0];
    const paths = Array.from({ length: 30 }, (_, index) => `/${index}`);
    for (const path of paths) {
      handlers.set(path, (_, response) => {
        now += 1;
        most = Math.max(most, now);
        setImmediate(() => {
          now -= 1;
          response.end(keySet("a"));
        });
      });
    }
    using keys = fetcher();
    keys.want(paths.map((path) => wanted(path)));
    await eventually(() => keys.jwks.size === 30);
    expect(most).toBeLessThanOrEqual(8);
  });

  test("is not fetched without access to the outside", async () => {
    using keys = fetcher({ egress: false });
    keys.want([wanted("/keys")]);
    await eventually(() => keys.problems.size === 1);
    expect(requests).toEqual([]);
  });
});

describe("fetchText refuses", () => {
  const attempt = (uri: string, more: Partial<Parameters<typeof fetchText>[1]> = {}) =>
    fetchText(uri, { ...options, timeoutMs: 3000, maxBytes: 1000, ...more });

  test.each<readonly [string, () => string]>([
    ["http", () => `http://${host}:${port}/keys`],
    ["file", () => "file:///etc/passwd"],
    ["no URL", () => "keys"],
    ["a password", () => `https://a:b@${host}:${port}/keys`],
    ["a loopback address", () => `https://127.0.0.1:${port}/keys`],
    ["one as a number", () => `https://2130706433:${port}/keys`],
    ["one in hexadecimal", () => `https://0x7f.1:${port}/keys`],
    ["one in IPv6", () => `https://[::1]:${port}/keys`],
    ["a mapped one", () => `https://[::ffff:127.0.0.1]:${port}/keys`],
    ["the metadata service of clouds", () => "https://169.254.169.254/latest"],
    ["another name for it", () => `https://other.example:${port}/keys`],
  ])("%s", async (_, uri) => {
    handlers.set("/keys", answer("{}"));
    expect(await attempt(uri())).toHaveProperty("problem");
    expect(requests).toEqual([]);
  });

  test.each<readonly [string, () => string]>([
    ["a loopback address", () => `https://127.0.0.1:${port}/hidden`],
    ["a name nobody allowed", () => `https://other.example:${port}/hidden`],
    ["plaintext", () => `http://${host}:${port}/hidden`],
    ["itself for ever", () => uriOf("/a")],
    ["nowhere", () => "http://["],
  ])("a redirect to %s", async (_, location) => {
    handlers.set("/a", redirect(location()));
    handlers.set("/hidden", answer("secret"));
    expect(await attempt(uriOf("/a"))).toHaveProperty("problem");
    expect(requests).not.toContain("/hidden");
    expect(requests.length).toBeLessThanOrEqual(4);
  });

  test("a name of which one address is not allowed", async () => {
    const resolve = async () => [{ address: "8.8.8.8", family: 4 }, ...loopback];
    expect(await attempt(`https://other.example:${port}/`, { resolve })).toEqual({ problem: "other.example is at a loopback address" });
  });

  test("a name that changes its address after the check: the first answer counts, nobody asks again", async () => {
    handlers.set("/keys", answer("{}"));
    let asked = 0;
    const resolve = async () => {
      asked += 1;
      return asked === 1 ? loopback : [{ address: "127.0.0.2", family: 4 }];
    };
    expect(await attempt(uriOf("/keys"), { resolve })).toEqual({ text: "{}" });
    expect(asked).toBe(1);
  });

  test.each<readonly [string, Handler, RegExp]>([
    ["an answer that is too long", answer("x".repeat(1001)), /longer than 1000 bytes/],
    ["an endless answer", (_, response) => void response.writeHead(200).write("x".repeat(2000)), /longer than 1000 bytes/],
    ["a compressed answer", answer("secret", { "content-encoding": "gzip" }), /compressed/],
    ["an error", (_, response) => void response.writeHead(503).end("secret"), /^it answered 503$/],
    [
      "an answer that breaks off",
      (_, response) => void response.writeHead(200, { "content-length": "9" }).write("secret", () => response.destroy()),
      /./,
    ],
  ])("%s, and tells nothing of it", async (_, handler, message) => {
    handlers.set("/keys", handler);
    const result = await attempt(uriOf("/keys"));
    expect(result).toEqual({ problem: expect.stringMatching(message) });
    expect(JSON.stringify(result)).not.toContain("secret");
  });

  test.each<readonly [string, Handler]>([
    ["never answers", () => {}],
    ["stops in the middle", (_, response) => void response.writeHead(200).write("{")],
  ])("a server that %s", async (_, handler) => {
    handlers.set("/keys", handler);
    expect(await attempt(uriOf("/keys"), { timeoutMs: 200 })).toEqual({ problem: "no answer within 200 ms" });
  });

  test("a resolver that never answers", async () => {
    const resolve = () => new Promise<never>(() => {});
    expect(await attempt(uriOf("/keys"), { timeoutMs: 50, resolve })).toEqual({ problem: "no answer within 50 ms" });
  });

  test("a certificate of an unknown root, and one for another name", async () => {
    expect(await attempt(uriOf("/keys"), { roots: [testAuthority().certificatePem] })).toEqual({ problem: expect.stringMatching(/TLS/) });
    const allowance = { hosts: ["other.example"], ranges: [] };
    expect(await attempt(`https://other.example:${port}/`, { allowance })).toEqual({ problem: expect.stringMatching(/TLS/) });
    expect(requests).toEqual([]);
  });
});

test("decideRefetch doubles its delays up to a minute, and a success waits 20 minutes", () => {
  expect([0, 1, 2, 3, 6, 7, 1000].map((failures) => decideRefetch(failures, 0))).toEqual([
    refreshMs,
    1000,
    2000,
    4000,
    32_000,
    60_000,
    60_000,
  ]);
  expect(decideRefetch(0, 0.999)).toBeGreaterThan(refreshMs * 0.9);
});
