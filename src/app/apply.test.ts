import { expect, test } from "vitest";
import { analyze } from "../analyze/analyze.ts";
import { parseManifests } from "../api/parse.ts";
import { snapshotOf } from "../api/snapshot-of.ts";
import { acknowledgementLines, findingsAbout, kubectlName } from "./apply.ts";
import { printDiagnostic } from "./manifests.ts";

const service = `apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{name: http, port: 80}]}
`;
const routes = `# the canary
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: web, namespace: shop}
spec:
  hosts: [web]
  http:
    - route:
        - destination:
            host: web
            subset: v9
`;

test("what is wrong between objects is told with the place in the file, and only of the objects applied", () => {
  const known = parseManifests(service, { file: "service.yaml" }).resources;
  const applied = parseManifests(routes, { file: "canary.yaml" }).resources;
  const findings = analyze(snapshotOf([...known, ...applied].map(({ value }) => value)));
  expect(findings.length).toBeGreaterThan(1);
  const about = findingsAbout(applied, findings);
  expect(about.map(({ resource, code, position }) => ({ resource, code, position }))).toEqual([
    { resource: "VirtualService shop/web", code: "LTN0702", position: { file: "canary.yaml", line: 11, column: 13 } },
  ]);
  expect(about.map(printDiagnostic).join()).toMatch(/^canary\.yaml:11:13: error LTN0702 VirtualService shop\/web .*v9.*\n {2}fix: \S/);
});

test("objects are named as kubectl names them", () => {
  const names = [service, routes].flatMap((text) => parseManifests(text, { file: "a.yaml" }).resources).map(kubectlName);
  expect(names).toEqual(["service/web", "virtualservice.networking.istio.io/web"]);
});

test("an apply says how many proxies follow, who doesn't, and why", () => {
  const reply = { revision: 7, total: 3, waitingFor: [], rejected: [] };
  expect(acknowledgementLines({ ...reply, acknowledged: true, done: 3 }, 8.4)).toEqual(["3 of 3 proxies acknowledged in 8 ms"]);
  expect(acknowledgementLines({ ...reply, acknowledged: true, total: 0, done: 0 }, 1)).toEqual(["no proxy is concerned"]);
  const resource = { type: "CDS", name: "outbound|80||web", reason: "no such thing", sources: ["DestinationRule shop/web"] };
  const behind = { ...reply, acknowledged: false, done: 1, waitingFor: ["web-1"], rejected: [{ proxy: "web-2", resource }] };
  expect(acknowledgementLines(behind, 10_000)).toEqual([
    "1 of 3 proxies acknowledged",
    "web-2 refused CDS outbound|80||web (from DestinationRule shop/web): no such thing",
    "not acknowledged by: web-1",
  ]);
});
