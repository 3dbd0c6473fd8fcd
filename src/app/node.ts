// The node process: wires fabric, agent and the control plane's API together. Runs inside the fabric's namespaces.

import { join } from "node:path";
import type { Pod } from "../api/kubernetes/pod.ts";
import { createApiClient } from "../http/client.ts";
import type { ApiClient } from "../http/client-types.ts";
import { createLogger, type Logger } from "../lib/log.ts";
import { proxyKindOf } from "../model/proxies.ts";
import { createIpcForwardDns } from "../platform/local/dns-forward.ts";
import { createIpcDial } from "../platform/local/egress.ts";
import { startFabric } from "../platform/local/fabric.ts";
import { onHostPort } from "../platform/local/forward.ts";
import { announceReady, parentChannel } from "../platform/local/ipc.ts";
import { NodeAgent } from "../platform/local/node/agent.ts";
import { FlagServer } from "../platform/local/node/flag-server.ts";
import { GatewayForwarder } from "../platform/local/node/gateway-forwarder.ts";
import { createImageTable } from "../platform/local/node/images.ts";
import type { NodeApi } from "../platform/local/node/node-api.ts";
import { PodMetrics } from "../platform/local/node/pod-metrics.ts";
import type { SidecarPlan } from "../platform/local/node/pod-worker.ts";
import { SpanBridge } from "../platform/local/node/span-bridge.ts";
import type { Fabric, PodSandbox } from "../platform/local/sandbox.ts";
import { bootstrapOf } from "../translate/bootstrap.ts";
import { runFiles } from "./config.ts";
import type { NodeOptions } from "./roles.ts";
import { surviveFaults } from "./survive-faults.ts";

/** Runs the node until its supervisor is gone or says stop. */
export async function runNode(options: NodeOptions): Promise<void> {
  const logger = nodeLogger(options);
  surviveFaults(process, logger);
  const channel = parentChannel();
  const abort = new AbortController();
  channel.onClose(() => abort.abort());
  const fabric = await startFabric({
    runDir: options.runDir,
    envoyPath: options.envoyPath,
    ...(options.egress ? { dial: createIpcDial(channel) } : {}),
    forwardDns: createIpcForwardDns(channel),
    logger,
  });
  const forwarder = new GatewayForwarder(fabric);
  onHostPort(channel, (name, server) => forwarder.add(Number(name), server));
  const client = createApiClient({ socketPath: runFiles.apiSocket(options.runDir) });
  const metrics = new PodMetrics({
    proxySeries: async (namespace, name, signal) => (await client.proxyMetrics(namespace, name, signal)).families,
    logger,
  });
  metrics.listen(runFiles.nodeSocket(options.runDir));
  const agent = new NodeAgent({
    api: nodeApiOf(client),
    fabric,
    images: createImageTable({ ...options, table: options.images }),
    hasSidecar: (pod) => proxyKindOf(pod) === "sidecar",
    bootstrap: (pod, sandbox) => planOf(options, pod, sandbox),
    serveMetrics: (pod, sandbox, adminPath) => metrics.serve(pod, sandbox, adminPath),
    logsDir: runFiles.logsDir(options.runDir),
    logger,
  });
  const served = await serveApplications(options, { fabric, agent, logger });
  announceReady(channel);
  await Promise.all([agent.start(abort.signal), followNames({ client, fabric, forwarder, logger, signal: abort.signal })]);
  metrics.close();
  served.close();
  await agent.close();
  await fabric.close();
  client.close();
}

interface NodeParts {
  readonly fabric: Fabric;
  readonly agent: NodeAgent;
  readonly logger: Logger;
}

/** What applications find on the node itself: a collector of their spans, and their feature flags. */
async function serveApplications({ runDir }: NodeOptions, { fabric, agent, logger }: NodeParts): Promise<{ close(): void }> {
  const { address } = fabric;
  const spans = new SpanBridge({
    address,
    collectorPath: runFiles.otlpSocket(runDir),
    reachPath: runFiles.reachSocket(runDir),
    dial: (to, port) => agent.dial(to, port),
    logger,
  });
  spans.listen();
  const flags = new FlagServer({ address, apiPath: runFiles.apiSocket(runDir), podAt: (from) => agent.podAt(from), logger });
  await flags.listen();
  return {
    close: () => {
      spans.close();
      flags.close();
    },
  };
}

function nodeLogger(options: NodeOptions): Logger {
  return createLogger("node", options.logLevel, (line) => void process.stderr.write(line));
}

function nodeApiOf(client: ApiClient): NodeApi {
  return {
    get: (ref) => client.get(ref),
    watch: (kind, { signal }) => client.watch(kind, { signal }),
    patchStatus: (ref, patch) => client.patchStatus(ref, patch),
    delete: (ref, request) => client.delete(ref, request),
  };
}

function planOf(options: NodeOptions, pod: Pod, sandbox: PodSandbox): SidecarPlan | undefined {
  const kind = proxyKindOf(pod);
  if (kind === undefined) return undefined;
  const adminPath = join(sandbox.dir, "admin.sock");
  const { uid, name, namespace } = pod.metadata;
  const bootstrap = bootstrapOf({ kind, podName: name, namespace, adminPath, xdsPath: runFiles.xdsSocket(options.runDir, uid) });
  return { adminPath, bootstrap };
}

/** The node itself, where flags are answered and spans are taken. */
const nodeHost = "node.lateen.internal";

interface NamesFollower {
  readonly client: ApiClient;
  readonly fabric: Fabric;
  readonly forwarder: GatewayForwarder;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Keeps DNS, virtual addresses and gateway ports as the control plane says; when it is away, what was last said stays. */
async function followNames({ client, fabric, forwarder, logger, signal }: NamesFollower): Promise<void> {
  for await (const names of client.watchNames({ signal })) {
    forwarder.update(names.gatewayPorts);
    const own = { host: nodeHost, addresses: [fabric.address], ports: [] };
    await fabric
      .updateNames({ ...names, hosts: [...names.hosts, own] })
      .catch((error: unknown) => logger.error("names were not taken in", { error: String(error) }));
  }
}
