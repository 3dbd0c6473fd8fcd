// Routes that say what is served: discovery, OpenAPI, version, health.

import type { FastifyInstance } from "fastify";
import { NotFound } from "../../lib/errors.ts";
import { apiGroupList, apiGroupOf, apiResourceList, apiVersions } from "../kube-api/discovery.ts";
import { openApiDocument, openApiIndex } from "../kube-api/openapi.ts";
import type { AppOptions } from "../options.ts";
import { pathOf } from "../request.ts";

/** The Kubernetes version whose API we speak, for clients that compare versions. */
const kubernetesVersion = { major: "1", minor: "32" };

interface GroupVersion {
  Params: { group: string; version: string };
}

export function addDiscoveryRoutes(app: FastifyInstance, { version }: AppOptions): void {
  app.get("/api", () => apiVersions);
  app.get("/apis", () => apiGroupList());
  app.get("/api/v1", (request) => found(apiResourceList("", "v1"), pathOf(request)));
  app.get<{ Params: { group: string } }>("/apis/:group", (request) => found(apiGroupOf(request.params.group), pathOf(request)));
  app.get<GroupVersion>("/apis/:group/:version", ({ params, ...request }) =>
    found(apiResourceList(params.group, params.version), request.url),
  );
  app.get("/openapi/v3", () => openApiIndex());
  app.get("/openapi/v3/api/v1", () => openApiDocument("", "v1"));
  app.get<GroupVersion>("/openapi/v3/apis/:group/:version", (request) =>
    found(openApiDocument(request.params.group, request.params.version), pathOf(request)),
  );
  const gitVersion = `v${kubernetesVersion.major}.${kubernetesVersion.minor}.0+lateen-${version}`;
  app.get("/version", () => ({ ...kubernetesVersion, gitVersion, platform: `${process.platform}/${process.arch}` }));
  for (const url of ["/healthz", "/livez", "/readyz"]) app.get(url, (_request, reply) => reply.type("text/plain").send("ok"));
}

function found(document: object | undefined, path: string): object {
  if (document === undefined) throw new NotFound(`nothing is served at ${path}`);
  return document;
}
