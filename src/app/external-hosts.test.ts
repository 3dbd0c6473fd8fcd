import { expect, test } from "vitest";
import { parseLateenYaml } from "../platform/local/lateen-yaml.ts";
import { externalImages, externalPods } from "./external-hosts.ts";

const { value } = parseLateenYaml(
  'external: {api.example: {command: [node, api.js], workingDir: ./api, ports: [443, 80], caFile: "${shared}/ca.pem"}}',
  "lateen.yaml",
);

test("a host outside the mesh is a plain pod under its own name, which runs the host's command", () => {
  const external = value?.external ?? {};
  const [namespace, pod, ...others] = externalPods(external, "/run/m.shared");
  expect(others).toEqual([]);
  expect(namespace?.value).toMatchObject({ kind: "Namespace", metadata: { name: "lateen-external" } });
  expect(pod?.value).toMatchObject({
    kind: "Pod",
    metadata: {
      name: "api.example",
      namespace: "lateen-external",
      labels: { "sidecar.istio.io/inject": "false" },
      annotations: { "lateen.dev/external-hosts": "api.example", "lateen.dev/ca-file": "/run/m.shared/ca.pem" },
    },
    spec: { containers: [{ image: "external/api.example", ports: [{ containerPort: 443 }, { containerPort: 80 }] }] },
  });
  expect(externalImages(external)).toEqual({ "external/api.example": { command: ["node", "api.js"], workingDir: "./api", env: {} } });
});

test("without such hosts there is no namespace either", () => {
  expect(externalPods({}, "")).toEqual([]);
});
