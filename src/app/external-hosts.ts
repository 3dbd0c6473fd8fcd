// lateen.yaml's external hosts as plain pods: each in a namespace of its own, without a sidecar, known to DNS under its host name.

import { type ParsedResource, parseResource } from "../api/parse.ts";
import { MeshError } from "../lib/errors.ts";
import { externalHostsAnnotation } from "../model/name-table.ts";
import type { LateenYaml } from "../platform/local/lateen-yaml.ts";

/** Where the stand-ins live. */
export const externalNamespace = "lateen-external";
/** On a stand-in's pod: the file with the CA certificates that its host is known by. */
export const externalCaFileAnnotation = "lateen.dev/ca-file";

/** What lateen.yaml calls the folder that all containers see. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: it is the placeholder of lateen.yaml
const sharedFolder = "${shared}";

/** The images that the pods of external hosts name. */
export function externalImages(external: LateenYaml["external"]): LateenYaml["images"] {
  return Object.fromEntries(
    Object.entries(external).map(([host, { command, workingDir, env }]) => [imageOf(host), { command, workingDir, env }]),
  );
}

/** The namespace and pods that stand in for the hosts. */
export function externalPods(external: LateenYaml["external"], sharedDir: string): readonly ParsedResource[] {
  const hosts = Object.entries(external);
  if (hosts.length === 0) return [];
  const manifests = [
    { apiVersion: "v1", kind: "Namespace", metadata: { name: externalNamespace } },
    ...hosts.map(([host, entry]) => podOf(host, entry, sharedDir)),
  ];
  return manifests.map((manifest) => {
    const { resource, diagnostics } = parseResource(manifest);
    if (resource !== undefined) return resource;
    throw new MeshError("internal", `external host: ${diagnostics[0]?.message ?? "refused"}`);
  });
}

function podOf(host: string, { ports, caFile }: LateenYaml["external"][string], sharedDir: string) {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: {
      name: host,
      namespace: externalNamespace,
      labels: { "sidecar.istio.io/inject": "false" },
      annotations: {
        [externalHostsAnnotation]: host,
        ...(caFile === undefined ? {} : { [externalCaFileAnnotation]: caFile.replaceAll(sharedFolder, sharedDir) }),
      },
    },
    spec: {
      containers: [
        {
          name: "host",
          image: imageOf(host),
          ports: ports.map((containerPort) => ({ containerPort })),
          readinessProbe: { tcpSocket: { port: ports[0] }, periodSeconds: 1 },
        },
      ],
    },
  };
}

function imageOf(host: string): string {
  return `external/${host}`;
}
