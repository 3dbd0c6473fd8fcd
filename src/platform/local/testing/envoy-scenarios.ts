// Scenarios with the real Envoy: both captured ports, marks, readiness, admin, and a bootstrap it refuses.

import { join } from "node:path";
import { deliveryMark, proxyMark, sidecarPorts } from "../capture.ts";
import { fetchScript, runScript, type Scenario, startHttpServer, testPod, type World } from "./pod-kit.ts";

const socketAddress = (port: number) => ({ socket_address: { address: "0.0.0.0", port_value: port } });
const tcpProxyType = "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
const originalDstType = "type.googleapis.com/envoy.extensions.filters.listener.original_dst.v3.OriginalDst";

function passThrough(name: string, port: number) {
  return {
    name,
    address: socketAddress(port),
    listener_filters: [{ name: "envoy.filters.listener.original_dst", typed_config: { "@type": originalDstType } }],
    filter_chains: [{ filters: [{ name: "tcp", typed_config: { "@type": tcpProxyType, stat_prefix: name, cluster: name } }] }],
  };
}

function originalDst(name: string, mark: number) {
  return {
    name,
    type: "ORIGINAL_DST",
    lb_policy: "CLUSTER_PROVIDED",
    connect_timeout: "2s",
    upstream_bind_config: { socket_options: [{ level: 1, name: 36, int_value: mark, state: "STATE_PREBIND" }] },
  };
}

function bootstrap(adminPath: string) {
  return {
    node: { id: "test", cluster: "test" },
    admin: { address: { pipe: { path: adminPath } } },
    static_resources: {
      listeners: [passThrough("inbound", sidecarPorts.inbound), passThrough("outbound", sidecarPorts.outbound)],
      clusters: [originalDst("inbound", deliveryMark), originalDst("outbound", proxyMark)],
    },
  };
}

async function realEnvoy(world: World): Promise<unknown> {
  const pods = [await testPod(world, { sidecar: true }), await testPod(world, { sidecar: true })] as const;
  const sidecars = await Promise.all(
    pods.map(async (pod) => {
      const adminPath = join(pod.dir, "admin.sock");
      const sidecar = await pod.startSidecar({ bootstrap: bootstrap(adminPath), adminPath });
      await sidecar.ready({ timeoutMs: 60_000 });
      return sidecar;
    }),
  );
  const [server, client] = pods;
  await startHttpServer(server, { name: "server", port: 8080, host: server.ip });
  const text = (await runScript(client, fetchScript(`http://${server.ip}:8080/`))).text;
  const counts = await Promise.all(sidecars.map((sidecar) => sidecar.admin("GET", "/stats?filter=downstream_cx_total&usedonly")));
  const exits = await Promise.all(sidecars.map((sidecar) => sidecar.stop({ graceMs: 10_000 })));
  await Promise.all(pods.map((pod) => pod.close()));
  return { text, server: server.ip, counts: counts.map(({ body }) => body), exits };
}

async function badBootstrap(world: World): Promise<unknown> {
  const pod = await testPod(world, { sidecar: true });
  const adminPath = join(pod.dir, "admin.sock");
  const sidecar = await pod.startSidecar({ bootstrap: { no_such_field: 1 }, adminPath });
  const message = await sidecar.ready({ timeoutMs: 60_000 }).then(
    () => "ready",
    (error: Error) => error.message,
  );
  const tooLong = await pod.startSidecar({ bootstrap: {}, adminPath: `/${"x".repeat(120)}` }).catch((error: Error) => error.message);
  await pod.close();
  return { message, tooLong };
}

export const envoyScenarios: Readonly<Record<string, Scenario>> = { realEnvoy, badBootstrap };
