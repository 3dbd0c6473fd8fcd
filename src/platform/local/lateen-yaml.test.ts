import { expect, test } from "vitest";
import { emptyLateenYaml, parseLateenYaml } from "./lateen-yaml.ts";

const told = (text: string) =>
  parseLateenYaml(text, "lateen.yaml").diagnostics.map(
    ({ code, path, position }) => `${code} ${path} ${position?.line}:${position?.column}`,
  );

test("images, hosts and ports, with what is left out filled in", () => {
  const text = `
images:
  shop/web:v1: {command: [node, server.js], workingDir: ./web, env: {GREETING: hi}}
  shop/db:v1: {command: [node]}
external:
  api.example: {command: [node], ports: [443]}
gateway: {ports: {80: 0, "443": 8443}}
metrics: {port: off}
`;
  expect(parseLateenYaml(text, "lateen.yaml")).toEqual({
    diagnostics: [],
    value: {
      images: {
        "shop/web:v1": { command: ["node", "server.js"], workingDir: "./web", env: { GREETING: "hi" } },
        "shop/db:v1": { command: ["node"], workingDir: ".", env: {} },
      },
      external: { "api.example": { command: ["node"], workingDir: ".", env: {}, ports: [443] } },
      gateway: { ports: { "80": 0, "443": 8443 } },
      metrics: { port: "off" },
    },
  });
});

test.each(["", "# nothing\n", "{}"])("a file that says nothing means the defaults: %j", (text) => {
  expect(parseLateenYaml(text, "lateen.yaml")).toEqual({ value: emptyLateenYaml, diagnostics: [] });
  expect(emptyLateenYaml.gateway.ports).toEqual({ "80": 8080 });
});

test.each([
  ["a misspelt field", "images:\n  web:\n    comand: [node]\n", ["LTN0900 images.web.command 2:3", "LTN0900 images.web 3:5"]],
  ["a command that is text", "images:\n  web: {command: node server.js}\n", ["LTN0900 images.web.command 2:9"]],
  ["an empty command", "images: {web: {command: []}}", ["LTN0900 images.web.command 1:16"]],
  ["a host without ports", "external: {a.example: {command: [a]}}", ['LTN0900 external["a.example"].ports 1:12']],
  ["a port that is none", "gateway: {ports: {80: 99999}}", ['LTN0900 gateway.ports["80"] 1:19']],
  ["a gateway port that is none", "gateway: {ports: {http: 80}}", ["LTN0900 gateway.ports.http 1:19"]],
  ["a host that is no name", "external: {API_x: {command: [a], ports: [1]}}", ["LTN0900 external.API_x 1:12"]],
  ["broken YAML", "images: {", ["LTN0002  1:10"]],
  ["the same key twice", "images: {}\nimages: {}\n", ["LTN0004  2:1"]],
  ["two documents", "images: {}\n---\nimages: {}\n", ["LTN0900  3:1"]],
  ["a dangerous key", "images: {}\n__proto__: {a: 1}\n", ["LTN0005  1:1"]],
  ["aliases without end", "images: &a {web: *a}\n", ["LTN0002  1:18"]],
  ["a nesting bomb", `images: ${"[".repeat(100_000)}`, ["LTN0003  1:1"]],
])("%s is refused at its place", (_what, text, expected) => {
  expect(told(text)).toEqual(expected);
  expect(parseLateenYaml(text, "lateen.yaml").value).toBeUndefined();
});

test("what is wrong with a name is said, not that a key is invalid", () => {
  const text = "external: {API_x: {command: [a], ports: [1]}}";
  expect(parseLateenYaml(text, "lateen.yaml").diagnostics[0]).toMatchObject({
    message: "not a host name in lower case",
    severity: "error",
  });
});
