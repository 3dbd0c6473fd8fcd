// Where spans are sent on to: a provider's service and port → a connection. A service of the mesh is reached through the node, everything else from here.

import { connect, type Socket } from "node:net";
import { Unavailable } from "../../../lib/errors.ts";
import type { Mesh, MeshService } from "../../../model/mesh.ts";
import type { TraceProvider } from "../../../model/telemetry-settings.ts";

/** Opens a connection; rejects with Unavailable. */
export type Connect = (address: string, port: number) => Promise<Socket>;

const connectMs = 5000;

/** A connection from the host's network. */
export function connectDirectly(address: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port, timeout: connectMs });
    const fail = (reason: string): void => {
      socket.destroy();
      reject(new Unavailable(`${address}:${port} can't be reached: ${reason}`));
    };
    socket.once("error", (error) => fail(error.message));
    socket.once("timeout", () => fail("no answer"));
    socket.once("connect", () => {
      socket.setTimeout(0);
      resolve(socket);
    });
  });
}

/**
 * Connects to one of the destination's servers.
 *
 * @throws Unavailable when there is none, or it doesn't answer.
 */
export async function connectTo({ service, port }: TraceProvider, mesh: Mesh | undefined, reach: Connect): Promise<Socket> {
  const found = serviceOf(service, mesh);
  // No Service and no ServiceEntry: an address or a name that the host knows.
  if (mesh === undefined || found === undefined) return await connectDirectly(service, port);
  const servers = (mesh.endpoints.get(found.id) ?? []).flatMap((endpoint) => {
    const target = Object.hasOwn(endpoint.ports, port) ? endpoint.ports[port] : undefined;
    return target === undefined ? [] : [{ address: endpoint.address, port: target, isPod: endpoint.workload !== undefined }];
  });
  if (servers.length === 0 && found.external) return await connectDirectly(found.hostname, port);
  const server = servers[Math.floor(Math.random() * servers.length)];
  if (server === undefined) {
    throw new Unavailable(`${found.source} has no ready server with port ${port}`, {
      fix: `see \`lateen get endpointslices\`, or the port of the provider`,
    });
  }
  return server.isPod ? await reach(server.address, server.port) : await connectDirectly(server.address, server.port);
}

/** "<host>", or "<namespace>/<host>" as Istio writes it. */
function serviceOf(text: string, mesh: Mesh | undefined): MeshService | undefined {
  const [host = "", namespace] = text.split("/").toReversed();
  return [...(mesh?.services.values() ?? [])].find(
    (one) => one.hostname === host && (namespace === undefined || one.namespace === namespace),
  );
}
