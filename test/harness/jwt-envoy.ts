// One real Envoy with the JWT filter as sidecars and gateways have it, configured by a file in place of ECDS, before an echo of the request.
// For tests of what generated JWT configurations do; nothing of the program but filter, configuration and refusal is involved.

import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import { TypedExtensionConfigSchema } from "#envoy/envoy/config/core/v3/extension_pb.js";
import type { RouteJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import type { JwtAuthenticationJson } from "#envoy/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js";
import { JwtAuthenticationSchema } from "#envoy/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js";
import { RouterSchema } from "#envoy/envoy/extensions/filters/http/router/v3/router_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { any, typeUrl } from "../../src/envoy/any.ts";
import { jwtExtensionName } from "../../src/envoy/names.ts";
import { jwtFilter, jwtLocalReply } from "../../src/translate/filter/jwt-filter.ts";
import { jwtMetadataNamespace } from "../../src/translate/filter/rbac-metadata.ts";
import { startEchoServer } from "./echo-server.ts";
import { startEnvoy, temporaryFolder } from "./envoy.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./gateway-envoy.ts";

/** Answers say here why they were refused, and which payload the filters saw. */
export const jwtDetailsHeader = "x-details";
export const jwtPayloadHeader = "x-payload";

export interface JwtEnvoy extends AsyncDisposable {
  readonly port: number;
  /** Replaces the filter's configuration; resolves when Envoy has it. Throws when it refuses it. */
  load(config: JwtAuthenticationJson): Promise<void>;
  /** One counter; 0 when it does not exist. */
  stat(name: string): Promise<number>;
  readonly log: () => string;
}

/** Starts it; without `routes` everything goes to cluster "echo". */
export async function startJwtEnvoy(config: JwtAuthenticationJson, routes?: readonly RouteJson[]): Promise<JwtEnvoy> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder());
  const path = join(folder.path, "jwt.json");
  const write = async (next: JwtAuthenticationJson): Promise<void> => {
    const resource = {
      "@type": typeUrl(TypedExtensionConfigSchema),
      name: jwtExtensionName,
      typedConfig: any(JwtAuthenticationSchema, next),
    };
    await writeFile(`${path}.new`, JSON.stringify({ resources: [resource] }));
    await rename(`${path}.new`, path);
  };
  await write(config);
  const echo = cleanup.use(await startEchoServer("echo", () => {}));
  const port = await freePort();
  const envoy = cleanup.use(
    await startEnvoy(
      bootstrap({ path, port, echoPort: echo.port, routes: routes ?? [{ match: { prefix: "/" }, route: { cluster: "echo" } }] }),
      {
        flags: ["--reject-unknown-dynamic-fields"],
      },
    ),
  );
  const stat = async (name: string): Promise<number> => Number(/: (\d+)/.exec(await envoy.admin(`/stats?filter=^${name}$`))?.[1] ?? "0");
  const updates = (kind: string): Promise<number> => stat(`extension_config_discovery.http_filter.${jwtExtensionName}.config_${kind}`);
  const stack = cleanup.move();
  return {
    port,
    stat,
    log: envoy.log,
    async load(next) {
      const before = { reload: await updates("reload"), fail: await updates("fail") };
      await write(next);
      await eventually(async () => {
        if ((await updates("fail")) > before.fail) throw new Error(`Envoy refused the configuration: ${envoy.log()}`);
        return (await updates("reload")) > before.reload;
      });
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

interface Parts {
  readonly path: string;
  readonly port: number;
  readonly echoPort: number;
  readonly routes: readonly RouteJson[];
}

function bootstrap({ path, port, echoPort, routes }: Parts): BootstrapJson {
  const socket = (portValue: number) => ({ socketAddress: { address: "127.0.0.1", portValue } });
  const filter = jwtFilter({ resourceApiVersion: "V3", pathConfigSource: { path } });
  const manager = any(HttpConnectionManagerSchema, {
    statPrefix: "test",
    routeConfig: {
      virtualHosts: [
        {
          name: "all",
          domains: ["*"],
          routes: [...routes],
          responseHeadersToAdd: [{ header: { key: jwtPayloadHeader, value: `%DYNAMIC_METADATA(${jwtMetadataNamespace}:payload)%` } }],
        },
      ],
    },
    httpFilters: [filter, { name: "envoy.filters.http.router", typedConfig: any(RouterSchema, {}) }],
    localReplyConfig: {
      ...jwtLocalReply,
      mappers: (jwtLocalReply.mappers ?? []).map((mapper) => ({
        ...mapper,
        headersToAdd: [{ header: { key: jwtDetailsHeader, value: "%RESPONSE_CODE_DETAILS%" } }],
      })),
    },
  });
  return {
    node: { id: "test", cluster: "test" },
    staticResources: {
      clusters: [
        {
          name: "echo",
          connectTimeout: "1s",
          loadAssignment: { clusterName: "echo", endpoints: [{ lbEndpoints: [{ endpoint: { address: socket(echoPort) } }] }] },
        },
      ],
      listeners: [{ name: "http", address: socket(port), filterChains: [{ filters: [{ name: "http", typedConfig: manager }] }] }],
    },
  };
}
