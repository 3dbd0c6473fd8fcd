// What is not fetched, however it is asked for and whoever answers.

import { describe, expect, test } from "vitest";
import { testAuthority } from "../../../test/harness/test-identities.ts";
import { fetchText } from "./fetch-text.ts";
import {
  answer,
  fetching,
  type Handler,
  handlers,
  host,
  loopback,
  port,
  redirect,
  requests,
  uriOf,
  useKeyServer,
} from "./testing/key-server.ts";

useKeyServer();

describe("fetchText refuses", () => {
  const attempt = (uri: string, more: Partial<Parameters<typeof fetchText>[1]> = {}) =>
    fetchText(uri, { ...fetching, timeoutMs: 3000, maxBytes: 1000, ...more });

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
