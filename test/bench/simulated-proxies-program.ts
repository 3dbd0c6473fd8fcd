// The process of simulated-proxies.ts: delta ADS clients that subscribe and acknowledge as Envoy does.

import { z } from "zod";
import { FakeProxy, namesIn } from "../harness/fake-proxy.ts";
import { serveCalls } from "./ipc-calls.ts";

/** A gRPC message's own header, and the HTTP/2 frame's around it. */
const framingBytes = 5 + 9;

const connectSchema = z.object({ proxies: z.array(z.object({ socketPath: z.string(), nodeId: z.string() })) });
const proxies: FakeProxy[] = [];
const known = new Map<string, ReturnType<typeof namesIn>>();

/** What a cluster or listener makes a proxy ask for; all proxies get the same ones, so each is read once. */
const namesOnce: typeof namesIn = (type, name, content) => {
  const key = `${type} ${name} ${content.length}`;
  const names = known.get(key) ?? namesIn(type, name, content);
  known.set(key, names);
  return names;
};

function connect(input: unknown): void {
  for (const place of connectSchema.parse(input).proxies) {
    const proxy = new FakeProxy({ ...place, namesIn: namesOnce });
    proxies.push(proxy);
    proxy.connect();
  }
}

function receipt() {
  const received = proxies.flatMap((proxy) => proxy.received.splice(0));
  const types = Object.groupBy(received, ({ type }) => type);
  return {
    responses: received.length,
    bytes: received.reduce((sum, { sizeBytes }) => sum + sizeBytes + framingBytes, 0),
    types: Object.fromEntries(
      Object.entries(types).map(([type, list]) => [
        type,
        {
          responses: list.length,
          names: [...new Set(list.flatMap(({ names }) => names))].sort(),
          removed: [...new Set(list.flatMap(({ removed }) => removed))].sort(),
        },
      ]),
    ),
  };
}

serveCalls({ connect, receipt });
