// One real Envoy that enforces AuthorizationPolicies by per-route configuration: a plaintext and a mutual TLS listener over the same routes,
// JWTs read from the header x-jwt. For tests of what generated RBAC does; nothing of the program but the RBAC itself is involved.

import { generateKeyPairSync, sign } from "node:crypto";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { AnyJson } from "@bufbuild/protobuf/wkt";
import type { BootstrapJson } from "#envoy/envoy/config/bootstrap/v3/bootstrap_pb.js";
import type { RouteJson } from "#envoy/envoy/config/route/v3/route_components_pb.js";
import { RouteConfigurationSchema } from "#envoy/envoy/config/route/v3/route_pb.js";
import { JwtAuthenticationSchema } from "#envoy/envoy/extensions/filters/http/jwt_authn/v3/config_pb.js";
import { RouterSchema } from "#envoy/envoy/extensions/filters/http/router/v3/router_pb.js";
import { HttpConnectionManagerSchema } from "#envoy/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js";
import { any, typeUrl } from "../../src/envoy/any.ts";
import type { PathNormalization } from "../../src/model/mesh.ts";
import { pathNormalizationFields } from "../../src/translate/filter/http-connection-manager.ts";
import { rbacHttpFilters } from "../../src/translate/filter/rbac-filters.ts";
import { jwtPayloadKey } from "../../src/translate/filter/rbac-metadata.ts";
import { startEnvoy, temporaryFolder } from "./envoy.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./gateway-envoy.ts";
import { plainAndTls } from "./plain-and-tls.ts";
import type { TestAuthority } from "./test-identities.ts";
import { testAuthority } from "./test-identities.ts";

/** The header that chooses a case; each has its own routes and policies. */
export const caseHeader = "x-test-case";
/** Answers say here why they were denied, and which path the filters saw. */
export const detailsHeader = "x-details";
export const pathHeader = "x-path";
/** Metadata of the RBAC filters as JSON: what enforced and tried-out policies decided. */
export const metadataHeader = "x-metadata";
/** "true" when an AUDIT policy marked the request. */
export const auditHeader = "x-audited";
/** A request's JWT. */
export const tokenHeader = "x-jwt";

export interface RbacEnvoy extends AsyncDisposable {
  readonly plainPort: number;
  readonly tlsPort: number;
  readonly authority: TestAuthority;
  readonly admin: (path: string, method?: "GET" | "POST") => Promise<string>;
  /** Replaces all cases; resolves when Envoy has them. Throws when it refuses them. */
  load(cases: ReadonlyMap<string, Readonly<Record<string, AnyJson>>>): Promise<void>;
  /** A JWT with these claims that the filter takes. */
  token(claims: object): string;
}

export interface RbacEnvoyOptions {
  /** Port of a plain HTTP server that gets what is allowed; without one Envoy answers 200 itself. */
  readonly backendPort?: number;
  /** BASE when unset. */
  readonly pathNormalization?: PathNormalization;
}

/** Starts it without any case. */
export async function startRbacEnvoy({ backendPort, pathNormalization = "BASE" }: RbacEnvoyOptions = {}): Promise<RbacEnvoy> {
  await using cleanup = new AsyncDisposableStack();
  const folder = cleanup.use(await temporaryFolder());
  const rds = join(folder.path, "rds.json");
  const write = async (routes: readonly RouteJson[]): Promise<void> => {
    const virtualHosts = [{ name: "all", domains: ["*"], routes: [...routes] }];
    await writeFile(
      `${rds}.new`,
      JSON.stringify({ resources: [{ "@type": typeUrl(RouteConfigurationSchema), name: "rbac", virtualHosts }] }),
    );
    await rename(`${rds}.new`, rds);
  };
  await write([]);
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: "jwk" }), kid: "test", alg: "ES256" }] });
  const authority = testAuthority();
  const [plainPort, tlsPort] = [await freePort(), await freePort()];
  const envoy = cleanup.use(
    await startEnvoy(bootstrap({ rds, jwks, authority, plainPort, tlsPort, backendPort, pathNormalization }), {
      flags: ["--reject-unknown-dynamic-fields"],
    }),
  );
  if (/deprecated/i.test(envoy.log())) throw new Error(`Envoy calls something deprecated: ${envoy.log()}`);
  const updates = async (kind: string): Promise<number> =>
    Number(/: (\d+)/.exec(await envoy.admin(`/stats?filter=http.plain.rds.rbac.update_${kind}`))?.[1] ?? "0");
  const stack = cleanup.move();
  return {
    plainPort,
    tlsPort,
    authority,
    admin: envoy.admin,
    async load(cases) {
      const before = { success: await updates("success"), rejected: await updates("rejected") };
      await write([...cases].map(([name, typedPerFilterConfig]) => route(name, typedPerFilterConfig, backendPort)));
      await eventually(async () => {
        if ((await updates("rejected")) > before.rejected) throw new Error(`Envoy refused the policies: ${envoy.log()}`);
        return (await updates("success")) > before.success;
      });
      if (/deprecated/i.test(envoy.log())) throw new Error(`Envoy calls something deprecated: ${envoy.log()}`);
    },
    token(claims) {
      const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
      const text = `${part({ alg: "ES256", kid: "test" })}.${part({ exp: 4_102_444_800, ...claims })}`;
      return `${text}.${sign("sha256", Buffer.from(text), { key: privateKey, dsaEncoding: "ieee-p1363" }).toString("base64url")}`;
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function route(name: string, perFilter: Readonly<Record<string, AnyJson>>, backendPort: number | undefined): RouteJson {
  return {
    match: { prefix: "/", headers: [{ name: caseHeader, stringMatch: { exact: name } }] },
    ...(backendPort === undefined ? { directResponse: { status: 200 } } : { route: { cluster: "backend" } }),
    typedPerFilterConfig: { ...perFilter },
    responseHeadersToAdd: [
      { header: { key: pathHeader, value: "%REQ(:PATH)%" } },
      { header: { key: metadataHeader, value: "%DYNAMIC_METADATA(envoy.filters.http.rbac)%" } },
      { header: { key: auditHeader, value: "%DYNAMIC_METADATA(envoy.common:access_log_hint)%" } },
    ],
  };
}

interface BootstrapParts {
  readonly rds: string;
  readonly jwks: string;
  readonly authority: TestAuthority;
  readonly plainPort: number;
  readonly tlsPort: number;
  readonly backendPort: number | undefined;
  readonly pathNormalization: PathNormalization;
}

function bootstrap({ rds, jwks, authority, plainPort, tlsPort, backendPort, pathNormalization }: BootstrapParts): BootstrapJson {
  const filters = (name: string) => [{ name: "http", typedConfig: connectionManager(name, { rds, jwks, pathNormalization }) }];
  const cluster = backendPort === undefined ? undefined : { name: "backend", port: backendPort };
  return {
    node: { id: "test", cluster: "test" },
    // The limit of every bootstrap of ours: Envoy's own default of 100 refuses ordinary patterns.
    layeredRuntime: { layers: [{ name: "static", staticLayer: { "re2.max_program_size.error_level": 32_768 } }] },
    staticResources: plainAndTls({ plainPort, tlsPort, authority, filters, cluster }),
  };
}

function connectionManager(
  statPrefix: string,
  { rds, jwks, pathNormalization }: Pick<BootstrapParts, "rds" | "jwks" | "pathNormalization">,
): AnyJson {
  const jwt = any(JwtAuthenticationSchema, {
    providers: {
      any: { localJwks: { inlineString: jwks }, fromHeaders: [{ name: tokenHeader }], forward: true, payloadInMetadata: jwtPayloadKey },
    },
    rules: [{ match: { prefix: "/" }, requires: { requiresAny: { requirements: [{ providerName: "any" }, { allowMissing: {} }] } } }],
  });
  return any(HttpConnectionManagerSchema, {
    statPrefix,
    rds: { routeConfigName: "rbac", configSource: { resourceApiVersion: "V3", pathConfigSource: { path: rds } } },
    httpFilters: [
      { name: "envoy.filters.http.jwt_authn", typedConfig: jwt },
      ...rbacHttpFilters(),
      { name: "envoy.filters.http.router", typedConfig: any(RouterSchema, {}) },
    ],
    // As our sidecars have it.
    ...pathNormalizationFields(pathNormalization),
    useRemoteAddress: false,
    internalAddressConfig: {},
    localReplyConfig: {
      mappers: [
        {
          filter: { statusCodeFilter: { comparison: { op: "GE", value: { defaultValue: 400, runtimeKey: "none" } } } },
          headersToAdd: [
            { header: { key: detailsHeader, value: "%RESPONSE_CODE_DETAILS%" } },
            { header: { key: pathHeader, value: "%REQ(:PATH)%" } },
            { header: { key: metadataHeader, value: "%DYNAMIC_METADATA(envoy.filters.http.rbac)%" } },
          ],
        },
      ],
    },
  });
}
