// Releases in a whole mesh: their YAML, what they say, and waiting for what they become.

import { stringify } from "yaml";
import type { ReleaseView } from "../../src/http/release-contract.ts";
import { eventually } from "./eventually.ts";
import type { TestMesh } from "./mesh.ts";

/** YAML of the Release of a service of namespace default. */
export function releaseYaml(service: string, spec: Readonly<Record<string, unknown>>): string {
  const metadata = { name: service, namespace: "default" };
  return stringify({ apiVersion: "lateen.io/v1alpha1", kind: "Release", metadata, spec: { service, drain: "1s", ...spec } });
}

/** One Deployment for all templates of a service, changed in place, and its Service. */
export function inPlaceYaml(name: string, version: string, more: { readonly image?: string; readonly spec?: object } = {}): string {
  const { image = `test/app:${version}`, spec = {} } = more;
  const readinessProbe = { httpGet: { path: "/healthz", port: 8080 }, periodSeconds: 1 };
  const template = {
    metadata: { labels: { app: name, version } },
    spec: { terminationGracePeriodSeconds: 2, containers: [{ name: "app", image, ports: [{ containerPort: 8080 }], readinessProbe }] },
  };
  const metadata = { name, namespace: "default" };
  const selector = { app: name };
  return [
    { apiVersion: "v1", kind: "Service", metadata, spec: { selector, ports: [{ name: "http", port: 80, targetPort: 8080 }] } },
    { apiVersion: "apps/v1", kind: "Deployment", metadata, spec: { replicas: 2, selector: { matchLabels: selector }, template, ...spec } },
  ]
    .map((object) => stringify(object))
    .join("---\n");
}

/** The newest view of a release. */
export function releaseOf(mesh: TestMesh, name: string): Promise<ReleaseView> {
  return mesh.client.releases.get("default", name);
}

const waitMs = 120_000;

/** Waits until it is so; the message has what the release says. A control plane that is away answers later. */
export async function releaseIs(mesh: TestMesh, name: string, holds: string | ((view: ReleaseView) => boolean)): Promise<ReleaseView> {
  let last: ReleaseView | undefined;
  const isSo = (view: ReleaseView) => (typeof holds === "string" ? view.status.phase === holds : holds(view));
  try {
    await eventually(async () => {
      last = await releaseOf(mesh, name).catch(() => undefined);
      return last !== undefined && isSo(last);
    }, waitMs);
  } catch {
    throw new Error(`release ${name} never was so: ${String(holds)}; it is ${JSON.stringify(last, null, 1)}`);
  }
  if (last === undefined) throw new Error("unreachable");
  return last;
}
