import { expect, test } from "vitest";
import { parseResource } from "../parse.ts";

const route = [{ destination: { host: "web" } }];

function errorsOf(http: object): (readonly [string, string])[] {
  const object = {
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "web" },
    spec: { hosts: ["web"], http: [http] },
  };
  return parseResource(object)
    .diagnostics.filter(({ severity }) => severity === "error")
    .map(({ code, path }) => [code, path] as const);
}

test.each<[string, object, string]>([
  ["a line break in a path", { route, rewrite: { uri: "/a\nb" } }, "spec.http[0].rewrite.uri"],
  ["a line break in a host", { redirect: { authority: "a\r" } }, "spec.http[0].redirect.authority"],
  ["a huge header", { route, headers: { response: { add: { x: "a".repeat(20_000) } } } }, "spec.http[0].headers.response.add.x"],
  ["a parameter without name", { match: [{ queryParams: { "": {} } }], route }, 'spec.http[0].match[0].queryParams[""]'],
  [
    "a huge parameter",
    { match: [{ queryParams: { ["q".repeat(2000)]: {} } }], route },
    `spec.http[0].match[0].queryParams.${"q".repeat(80)}`,
  ],
  ["a huge body", { directResponse: { status: 200, body: { string: "é".repeat(600_000) } } }, "spec.http[0].directResponse.body"],
])("%s", (_title, http, path) => {
  expect(errorsOf(http)).toEqual([["LTN0213", path]]);
});

test("a fault that hits nobody is warned of", () => {
  const { diagnostics } = parseResource({
    apiVersion: "networking.istio.io/v1",
    kind: "VirtualService",
    metadata: { name: "web" },
    spec: { hosts: ["web"], http: [{ route, fault: { delay: { fixedDelay: "1s" }, abort: { httpStatus: 500 } } }] },
  });
  expect(diagnostics.map(({ code, path }) => [code, path])).toEqual([
    ["LTN0217", "spec.http[0].fault.delay"],
    ["LTN0217", "spec.http[0].fault.abort"],
  ]);
});

test("what is no base64", () => {
  for (const bytes of ["!!", "a", "aGk=="]) {
    const expected = bytes === "aGk==" ? [] : [["LTN0103", "spec.http[0].directResponse.body.bytes"]];
    expect(errorsOf({ directResponse: { status: 200, body: { bytes } } })).toEqual(expected);
  }
});

test("patterns of CORS origins", () => {
  expect(errorsOf({ route, corsPolicy: { allowOrigins: [{ regex: "(" }] } })).toEqual([
    ["LTN0207", "spec.http[0].corsPolicy.allowOrigins[0].regex"],
  ]);
});

test("half a character", () => {
  expect(errorsOf({ name: "a\ud800", route })).toEqual([["LTN0103", "spec.http[0].name"]]);
});
