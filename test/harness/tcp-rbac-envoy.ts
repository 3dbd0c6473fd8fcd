// One real Envoy with network RBAC filters before a TCP proxy: a plaintext and a mutual TLS port in front of one echo server.

import { connect as connectTcp, createServer } from "node:net";
import { connect as connectTls } from "node:tls";
import type { FilterJson } from "#envoy/envoy/config/listener/v3/listener_components_pb.js";
import { TcpProxySchema } from "#envoy/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js";
import { any } from "../../src/envoy/any.ts";
import type { WorkloadPolicies } from "../../src/model/policies.ts";
import type { RbacOptions } from "../../src/translate/filter/rbac.ts";
import { rbacExtensions } from "../../src/translate/filter/rbac-filters.ts";
import { startEnvoy } from "./envoy.ts";
import { freePort } from "./gateway-envoy.ts";
import { plainAndTls } from "./plain-and-tls.ts";
import type { TestAuthority, TestCertificate } from "./test-identities.ts";
import { testAuthority } from "./test-identities.ts";

export interface TcpPorts {
  readonly plainPort: number;
  readonly tlsPort: number;
}

export interface TcpRbacEnvoy extends AsyncDisposable, TcpPorts {
  readonly authority: TestAuthority;
  readonly admin: (path: string) => Promise<string>;
  /** True when a byte came back through Envoy; `tls` for the mutual TLS port. */
  reaches(tls?: { readonly certificate: TestCertificate; readonly serverName: string }): Promise<boolean>;
}

/** The network filters of these policies with their configuration inside, instead of asked for by name. */
export function staticNetworkFilters(policies: WorkloadPolicies, options: RbacOptions): FilterJson[] {
  return [...rbacExtensions(policies, options)].map(([name, typedConfig]) => ({ name, typedConfig }));
}

/** Starts it with the filters made for its ports. */
export async function startTcpRbacEnvoy(filters: (ports: TcpPorts) => readonly FilterJson[]): Promise<TcpRbacEnvoy> {
  await using cleanup = new AsyncDisposableStack();
  const echo = createServer((socket) => {
    socket.on("error", () => {});
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => echo.listen(0, "127.0.0.1", resolve));
  cleanup.defer(() => new Promise((resolve) => echo.close(() => resolve())));
  const address = echo.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const authority = testAuthority();
  const ports = { plainPort: await freePort(), tlsPort: await freePort() };
  const chain = [...filters(ports), { name: "tcp", typedConfig: any(TcpProxySchema, { statPrefix: "tcp", cluster: "echo" }) }];
  const staticResources = plainAndTls({ ...ports, authority, filters: () => chain, cluster: { name: "echo", port: address.port } });
  const envoy = cleanup.use(await startEnvoy({ staticResources }));
  const stack = cleanup.move();
  return {
    ...ports,
    authority,
    admin: envoy.admin,
    reaches: (tls) => (tls === undefined ? echoes(ports.plainPort) : echoes(ports.tlsPort, tls)),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function echoes(port: number, tls?: { readonly certificate: TestCertificate; readonly serverName: string }): Promise<boolean> {
  return new Promise((resolve) => {
    const tcp = connectTcp({ host: "127.0.0.1", port });
    const { certificate, serverName } = tls ?? { certificate: undefined, serverName: "" };
    const socket =
      certificate === undefined
        ? tcp
        : connectTls({
            socket: tcp,
            servername: serverName,
            rejectUnauthorized: false,
            cert: certificate.certificatePem,
            key: certificate.keyPem,
          });
    const settle = (reached: boolean): void => {
      tcp.destroy();
      resolve(reached);
    };
    for (const end of [tcp, socket]) end.on("error", () => settle(false)).on("close", () => settle(false));
    socket.once("data", () => settle(true));
    socket.write("x");
  });
}
