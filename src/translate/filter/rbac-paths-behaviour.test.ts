// Denied paths in a real Envoy with a backend behind it: no spelling, encoding or slash leads around them.

import fc from "fast-check";
import { expect, test } from "vitest";
import { startEchoServer } from "../../../test/harness/echo-server.ts";
import { testPolicy } from "../../../test/harness/policies.ts";
import { rawConnection } from "../../../test/harness/raw-http.ts";
import { asCase, load, perRoute } from "../../../test/harness/rbac-case.ts";
import { caseHeader, pathHeader, startRbacEnvoy } from "../../../test/harness/rbac-envoy.ts";
import { normalizePath } from "../../analyze/access/normalize-path.ts";

const hex = (byte: number): string => byte.toString(16).padStart(2, "0");

test("a denied path is denied in all its spellings", async () => {
  const reached: string[] = [];
  await using backend = await startEchoServer("backend", ({ path }) => reached.push(path));
  await using envoy = await startRbacEnvoy({ backendPort: backend.port });
  await load(envoy, testPolicy({ action: "DENY", rules: [{ to: [{ operation: { paths: ["/admin", "/admin/*"] } }] }] }));
  using connection = rawConnection({ port: envoy.plainPort });
  const encodings = [..."admin"].flatMap((letter, index) =>
    [hex, (byte: number) => hex(byte).toUpperCase()].map(
      (digits) => `/${"admin".slice(0, index)}%${digits(letter.charCodeAt(0))}${"admin".slice(index + 1)}`,
    ),
  );
  const spellings = [
    ...encodings,
    ...["/%61%64%6d%69%6e", "/./admin", "/x/../admin", "/x/..;p/admin", "/%2e/admin", "/x/%2e%2e/admin", "/x/.%2E/admin", "/../admin"],
    ...["/admin?x", "/admin?", "/admin/", "/admin/.", "/admin/x/..", "\\admin", "/x\\..\\admin", "/x/..\\admin"].map((path) =>
      path.replace(/^\\/, "/x/..\\"),
    ),
  ];
  for (const path of spellings) {
    const { status } = await connection.send(asCase({ path, host: "h" }));
    expect([path, status]).toEqual([path, 403]);
  }
  for (const path of ["/admin#x", "/admin#", "/admin%00", "/%00admin", "/admin\u0001", "/\u00e0dmin"]) {
    const { status } = await connection.send(asCase({ path, host: "h" }));
    expect([path, status]).toEqual([path, 400]);
  }
  expect(reached).toEqual([]);
});

test("whatever one of the 255 percent-encodings stands for, nothing that decodes to the denied path reaches the backend", async () => {
  const reached: string[] = [];
  await using backend = await startEchoServer("backend", ({ path }) => reached.push(path));
  await using envoy = await startRbacEnvoy({ backendPort: backend.port });
  const allowed = Array.from({ length: 255 }, (_, index) => index + 1);
  // The denied path has a byte of every value in turn; it is asked for by each of its encodings, and as it stands.
  const printable = allowed.filter((byte) => byte > 0x20 && byte < 0x7f && !'#%*/?\\{}"<>^`|'.includes(String.fromCharCode(byte)));
  const name = (byte: number): string => `b${byte}`;
  await envoy.load(
    new Map(
      printable.map((byte) => {
        const character = String.fromCharCode(byte);
        return [
          name(byte),
          perRoute(
            testPolicy({
              action: "DENY",
              rules: [{ to: [{ operation: { paths: [`/x${character}y`, `/x%${hex(byte)}y`, `/x%${hex(byte).toUpperCase()}y`] } }] }],
            }),
          ),
        ];
      }),
    ),
  );
  using connection = rawConnection({ port: envoy.plainPort });
  for (const byte of printable) {
    for (const path of [`/x${String.fromCharCode(byte)}y`, `/x%${hex(byte)}y`, `/x%${hex(byte).toUpperCase()}y`]) {
      const { status } = await connection.send({ path, host: "h", headers: [[caseHeader, name(byte)]] });
      expect([path, status]).toEqual([path, 403]);
    }
  }
  // And every encoding in a path beside the denied one: only what the server itself would not take for it gets through.
  await load(envoy, testPolicy({ action: "DENY", rules: [{ to: [{ operation: { paths: ["/admin", "/admin/*"] } }] }] }));
  for (const byte of allowed) {
    for (const path of [`/%${hex(byte)}dmin`, `/admi%${hex(byte)}`, `/a%${hex(byte)}min`])
      await connection.send(asCase({ path, host: "h" }));
  }
  expect(reached.length).toBeGreaterThan(700);
  expect(reached.filter((path) => decodeURIComponentSafely(path).split("/").includes("admin"))).toEqual([]);
});

function decodeURIComponentSafely(path: string): string {
  return Buffer.from(
    path.replace(/%([0-9a-f]{2})/gi, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16))),
    "latin1",
  ).toString("latin1");
}

test("DECODE_AND_MERGE_SLASHES: encoded and repeated slashes lead to no way around a denied path", async () => {
  const reached: string[] = [];
  await using backend = await startEchoServer("backend", ({ path }) => reached.push(path));
  await using envoy = await startRbacEnvoy({ backendPort: backend.port, pathNormalization: "DECODE_AND_MERGE_SLASHES" });
  await load(envoy, testPolicy({ action: "DENY", rules: [{ to: [{ operation: { paths: ["/a/admin", "/a/admin/*"] } }] }] }));
  using connection = rawConnection({ port: envoy.plainPort });
  for (const separator of [
    "/",
    "//",
    "%2f",
    "%2F",
    "%5c",
    "%5C",
    "\\",
    "/%2f",
    "%2f%2F/",
    "/./",
    "%2f.%2f",
    "/x/../",
    "%2fx%2f..%2f",
    "/x%5c..%5c",
  ]) {
    for (const path of [`/a${separator}admin`, `/a/admin${separator}x`, `/${separator}a/admin`]) {
      const { status } = await connection.send(asCase({ path, host: "h" }));
      expect([path, status]).toEqual([path, 403]);
    }
  }
  for (let byte = 1; byte < 256; byte += 1) {
    for (const path of [
      `/a%${hex(byte)}admin`,
      `/a/%${hex(byte)}admin`,
      `/a/admin%${hex(byte)}x`,
      `/%${hex(byte)}a/admin`,
      `/a/%${hex(byte)}dmin`,
    ]) {
      await connection.send(asCase({ path, host: "h" }));
    }
  }
  const isDenied = (path: string): boolean => /^\/+a\/+admin(?:\/|$)/.test(decodeURIComponentSafely(path).replaceAll("\\", "/"));
  expect(reached.length).toBeGreaterThan(1000);
  expect(reached.filter(isDenied)).toEqual([]);
});

const levels = ["NONE", "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"] as const;

test.each(levels)("%s: normalizePath is what Envoy makes of every byte, raw and encoded, of dot segments and slashes", async (level) => {
  await using envoy = await startRbacEnvoy({ pathNormalization: level });
  await load(envoy);
  using connection = rawConnection({ port: envoy.plainPort });
  const bytes = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => ![0x0a, 0x0d, 0x20].includes(byte));
  const pieces = [
    "..",
    ".",
    "",
    "a",
    "..;x",
    ".;x",
    "%2e",
    "%2E%2e",
    "...",
    "a;",
    ";",
    "..%2f",
    "%2e%2e;",
    "..a",
    "a..",
    "%5c..",
    "\\",
    "a\\..",
    "%2F",
    "a%5c",
  ];
  const paths = [
    ...bytes.flatMap((byte) => [`/x%${hex(byte)}y`, `/x%${hex(byte).toUpperCase()}y`, `/x${String.fromCharCode(byte)}y`]),
    ...["%", "%2", "%zz", "%%41", "%4%31", "?", "?a=/../b", "?%61", "?\\", "?a?b", "a?#"].map((end) => `/x${end}`),
    ...pieces.flatMap((first) =>
      pieces.flatMap((second) => [`/${first}/${second}`, `/a/${first}/${second}/b`, `/a/b/${first}/c/${second}`]),
    ),
  ];
  const scraps = fc.array(fc.constantFrom("%", "2", "e", "4", "1", ".", "/", ";", "5", "%2", "f", "a", "%2e"), { maxLength: 12 });
  paths.push(...fc.sample(scraps, { seed: 7, numRuns: 2000 }).map((parts) => `/${parts.join("")}`));
  const wrong: string[] = [];
  for (const path of paths) {
    const { status, headers } = await connection.send(asCase({ path, host: "h" }));
    const seen = status === 200 ? headers[pathHeader]?.split("?")[0] : undefined;
    const made = normalizePath(path, level)?.path;
    if (made !== seen) wrong.push(`${path}: Envoy ${seen}, we ${made}`);
  }
  expect(wrong).toEqual([]);
  expect(paths.length).toBeGreaterThan(1500);
});

test("{*} takes every segment there is", async () => {
  await using envoy = await startRbacEnvoy();
  await load(envoy, testPolicy({ action: "DENY", rules: [{ to: [{ operation: { paths: ["/a/{*}"] } }] }] }));
  using connection = rawConnection({ port: envoy.plainPort });
  // Envoy's own uri_template doesn't take the brackets.
  for (const path of ["/a/x", "/a/[x]", "/a/x*", '/a/"x"', "/a/x;y", "/a/%FF", "/a/x=y", "/a/'"]) {
    expect([path, (await connection.send(asCase({ path, host: "h" }))).status]).toEqual([path, 403]);
  }
  for (const path of ["/a", "/a/", "/a/x/", "/a/x/y", "/b/x"])
    expect((await connection.send(asCase({ path, host: "h" }))).status).toBe(200);
});
