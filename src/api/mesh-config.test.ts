import { expect, test } from "vitest";
import { parseMeshConfig } from "./mesh-config.ts";

const told = (text: string) => parseMeshConfig(text).diagnostics.map(({ code, path }) => `${code} ${path}`);

test("what acts is read, with Istio's defaults inside", () => {
  const text = `
outboundTrafficPolicy: {mode: REGISTRY_ONLY}
connectTimeout: 3s
defaultHttpRetryPolicy: {retryOn: "5xx"}
defaultConfig: {gatewayTopology: {numTrustedProxies: 1}}
`;
  expect(parseMeshConfig(text)).toEqual({
    value: {
      outboundTrafficPolicy: { mode: "REGISTRY_ONLY" },
      connectTimeout: 3000,
      defaultHttpRetryPolicy: { attempts: 2, retryOn: "5xx" },
      defaultConfig: { gatewayTopology: { numTrustedProxies: 1 } },
    },
    diagnostics: [],
  });
});

test("a field that nothing acts on is named, however deep it stands", () => {
  expect(
    told("{ingressClass: x, defaultConfig: {concurrency: 2, gatewayTopology: {forwardClientCertDetails: SANITIZE}}, connectTimeout: 1s}"),
  ).toEqual([
    "LTN0902 data.mesh.ingressClass",
    "LTN0902 data.mesh.defaultConfig.concurrency",
    "LTN0902 data.mesh.defaultConfig.gatewayTopology.forwardClientCertDetails",
  ]);
});

test.each([
  ["connectTimeout: soon", "LTN0901 data.mesh.connectTimeout"],
  ["outboundTrafficPolicy: {mode: NONE}", "LTN0901 data.mesh.outboundTrafficPolicy.mode"],
  ['accessLogFormat: "%REQ(:PATH)% %FOO%"', "LTN0901 data.mesh.accessLogFormat"],
  ["accessLogFormat: 100%", "LTN0901 data.mesh.accessLogFormat"],
  ["a: [", "LTN0901 data.mesh"],
  ["{__proto__: {polluted: 1}}", "LTN0901 data.mesh"],
  [`a: ${"[".repeat(100_000)}`, "LTN0901 data.mesh"],
])("a mistake leaves all defaults in force: %#", (text, expected) => {
  expect(told(text)).toEqual([expected]);
  expect(parseMeshConfig(text).value).toEqual({});
});
