// The fetcher against a real HTTPS server: what is fetched, when again, and what is kept.

import { generateKeyPairSync } from "node:crypto";
import { describe, expect, test } from "vitest";
import { eventually } from "../../test/harness/eventually.ts";
import { parseKeySet } from "../api/security/key-set.ts";
import { durationMs } from "../lib/duration.ts";
import { silentLogger } from "../lib/log.ts";
import type { WantedKeySet } from "../model/key-sets.ts";
import { answer, fetching, handlers, host, port, redirect, requests, resolved, uriOf, useKeyServer } from "./jwks/testing/key-server.ts";
import { JwksFetcher, type JwksFetcherOptions } from "./jwks-fetcher.ts";

useKeyServer();

const wanted = (path: string, more: Partial<WantedKeySet> = {}): WantedKeySet => ({
  uri: uriOf(path),
  isDiscovery: false,
  timeout: durationMs(2000),
  ...more,
});

function keySet(kid: string): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return JSON.stringify({
    keys: [
      { ...privateKey.export({ format: "jwk" }), kid },
      { kty: "oct", k: "secret", kid: "s" },
    ],
  });
}

function fetcher(more: Partial<JwksFetcherOptions> = {}): JwksFetcher & Disposable {
  const made = new JwksFetcher({ onChange: () => {}, logger: silentLogger, ...fetching, ...more });
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
