// The routes of a released service where no VirtualService claims it, and of the host that previews one version: rules as VirtualServices have
// them, made of a VirtualService that nobody wrote.

import { serviceHost } from "../../api/hosts.ts";
import type { VirtualService } from "../../api/networking/virtual-service.ts";
import { virtualServiceSchema } from "../../api/networking/virtual-service.ts";
import type { Directory } from "../client.ts";
import { memoObject } from "../memo.ts";
import type { MeshService, ServicePort } from "../mesh.ts";
import type { RouteClient } from "../routes.ts";
import type { ResolvedRule } from "../virtual-services.ts";
import { resolvedRules } from "../virtual-services.ts";
import type { ReleaseStructure } from "./release-route.ts";

interface Place {
  readonly directory: Directory;
  readonly client: RouteClient;
}

/** The rules of one port; empty without a release for it. */
export function defaultRules(service: MeshService, port: ServicePort, { directory, client }: Place): readonly ResolvedRule[] {
  const release = directory.releases.get(service.id);
  if (release === undefined || (release.ports.length > 0 && !release.ports.includes(port.number))) return [];
  return ownRoutes(service, port, { directory, client }).filter((rule) => rule.release !== undefined);
}

/** The same for the preview host: one version only. */
export function previewRules(service: MeshService, port: ServicePort, { directory, client }: Place): readonly ResolvedRule[] {
  const release = directory.releases.get(service.id);
  if (release?.preview === undefined || (release.ports.length > 0 && !release.ports.includes(port.number))) return [];
  return ownRoutes(service, port, { directory, client, only: { release, arm: release.preview.arm } });
}

/** Host names of a preview; a bare name belongs to the service's namespace and has a Service's short forms. */
export function previewHost({ preview, namespace }: ReleaseStructure) {
  if (preview === undefined) return undefined;
  if (preview.host.includes(".")) return { host: preview.host };
  return { host: serviceHost(preview.host, namespace), service: { name: preview.host, namespace } };
}

function ownRoutes(
  service: MeshService,
  port: ServicePort,
  { directory, client, only }: Place & { readonly only?: { readonly release: ReleaseStructure; readonly arm: number } },
): readonly ResolvedRule[] {
  const virtualService = unwritten(service).get(port.number);
  if (virtualService === undefined) return [];
  return resolvedRules(virtualService, {
    directory,
    client,
    listenerPort: port.number,
    isDefault: true,
    ...(only === undefined ? {} : { only }),
  });
}

/** By port number. Its name is none that a VirtualService can have, so nothing of it is taken for a user's. */
const unwritten = memoObject((service: MeshService): ReadonlyMap<number, VirtualService> => {
  const { hostname, name, namespace } = service;
  return new Map(
    service.ports.map(({ number }) => [
      number,
      virtualServiceSchema.parse({
        apiVersion: "networking.istio.io/v1",
        kind: "VirtualService",
        metadata: { name: `~${name}`, namespace },
        spec: { hosts: [hostname], http: [{ route: [{ destination: { host: hostname, port: { number } } }] }] },
      }),
    ]),
  );
});
