// A watch that heals: lists, follows, resumes after a broken connection, lists again when the server no longer knows its place.

import { setTimeout as delay } from "node:timers/promises";
import { MeshError } from "../lib/errors.ts";
import { isJsonObject, isRawResource } from "../store/json.ts";
import { linesOf } from "./client-lines.ts";
import type { ClientWatchEvent, ListRequest, RawList } from "./client-types.ts";
import type { WatchLine } from "./contract.ts";
import type { Transport } from "./transport.ts";

export interface WatchSource {
  readonly path: string;
  readonly list: () => Promise<RawList>;
  readonly request: ListRequest;
  readonly signal: AbortSignal;
}

/** Waits between attempts while the server is away, in milliseconds; the last one repeats. */
const retryMs = [20, 50, 100, 200, 400, 800];

/** Events until the signal aborts; never throws because the server is away. */
export async function* watchObjects(transport: Transport, source: WatchSource): AsyncGenerator<ClientWatchEvent, void, undefined> {
  const place: Place = { resourceVersion: undefined };
  for (let failures = 0; !source.signal.aborted; ) {
    try {
      for await (const event of followOnce(transport, source, place)) {
        failures = 0;
        yield event;
      }
    } catch (error) {
      if (source.signal.aborted) return;
      if (!isTransient(error)) throw error;
      if (failures === 0) yield { type: "down", reason: MeshError.from(error).message };
      await delay(retryMs[Math.min(failures, retryMs.length - 1)], undefined, { signal: source.signal }).catch(() => {});
      failures += 1;
    }
  }
}

/** How far a watch has come; undefined: list first. */
interface Place {
  resourceVersion: string | undefined;
}

function isTransient(error: unknown): boolean {
  return error instanceof MeshError && (error.code === "unavailable" || error.code === "timeout" || error.code === "gone");
}

/** One connection's worth of events; ends when the server ends it. */
async function* followOnce(transport: Transport, source: WatchSource, place: Place): AsyncGenerator<ClientWatchEvent> {
  if (place.resourceVersion === undefined) {
    const { items, resourceVersion } = await source.list();
    place.resourceVersion = resourceVersion;
    yield { type: "sync", items, resourceVersion };
  }
  const { labelSelector, fieldSelector } = source.request;
  const query = { watch: "1", allowWatchBookmarks: "1", resourceVersion: place.resourceVersion, labelSelector, fieldSelector };
  const response = await transport.open({ method: "GET", path: source.path, query, signal: source.signal, idleMs: 0 });
  if (response.statusCode !== 200) {
    response.destroy();
    throw new MeshError("unavailable", `the watch was answered with ${response.statusCode ?? 0}`);
  }
  for await (const line of linesOf(response, "the watch")) {
    const event = eventOf(parseLine(line), place);
    if (event === "expired") {
      place.resourceVersion = undefined;
      return;
    }
    if (event !== undefined) yield event;
  }
}

function parseLine(text: string): WatchLine {
  const line: WatchLine = JSON.parse(text);
  return line;
}

const types = { ADDED: "added", MODIFIED: "modified", DELETED: "deleted" } as const;

/** The client's event of a line, undefined for a bookmark; moves the place forward. */
function eventOf(line: WatchLine, place: Place): ClientWatchEvent | "expired" | undefined {
  if (line.type === "ERROR") return "expired";
  const metadata = isJsonObject(line.object) ? line.object["metadata"] : undefined;
  const resourceVersion = isJsonObject(metadata) ? metadata["resourceVersion"] : undefined;
  if (typeof resourceVersion === "string") place.resourceVersion = resourceVersion;
  if (line.type === "BOOKMARK" || !isRawResource(line.object)) return undefined;
  return { type: types[line.type], object: line.object };
}
