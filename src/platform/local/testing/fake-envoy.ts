// Stands in for Envoy in tests: admin socket with /ready, captured listeners on 15001 and 15006, the two marks on its own sockets.
// Started with Envoy's arguments; the bootstrap is `{adminPath, vips: {"198.19.0.1:80": "198.18.0.2:8080"}}`. It logs what it saw.

import { closeSync, readFileSync } from "node:fs";
import { createServer as createHttpServer } from "node:http";
import { createServer, Socket } from "node:net";
import { z } from "zod";
import { deliveryMark, proxyMark, sidecarPorts } from "../capture.ts";
import { descriptorOf } from "../egress.ts";
import { joinSockets } from "../join-sockets.ts";
import { connectSocket, openSocket, originalDestination, SocketOption, setSocketOption } from "../syscalls.ts";

const bootstrapSchema = z.object({ adminPath: z.string(), vips: z.record(z.string(), z.string()) });
const bootstrap = bootstrapSchema.parse(JSON.parse(readFileSync(process.argv[process.argv.indexOf("-c") + 1] ?? "", "utf8")));

function connectMarked(address: string, port: number, mark: number): Socket {
  const fd = openSocket("ipv4", "stream");
  try {
    setSocketOption(fd, { level: SocketOption.solSocket, name: SocketOption.mark, value: mark });
    connectSocket(fd, address, port);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  return new Socket({ fd, readable: true, writable: true });
}

function listen(direction: "inbound" | "outbound", port: number, mark: number): void {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    client.on("error", () => {});
    const wanted = originalDestination(descriptorOf(client));
    console.log(`${direction} ${wanted.address}:${wanted.port}`);
    const [address = "", target = "0"] = (bootstrap.vips[`${wanted.address}:${wanted.port}`] ?? `${wanted.address}:${wanted.port}`).split(
      ":",
    );
    try {
      joinSockets(client, connectMarked(address, Number(target), mark));
    } catch {
      client.resetAndDestroy();
    }
  });
  server.listen(port, "0.0.0.0");
}

listen("inbound", sidecarPorts.inbound, deliveryMark);
listen("outbound", sidecarPorts.outbound, proxyMark);
createHttpServer((_request, response) => response.end("LIVE\n")).listen(bootstrap.adminPath);
process.on("SIGTERM", () => process.exit(0));
