// A line of a proxy's access log in Istio's default format, text or JSON → the fields that tell where a request or connection was going. Pure.

import { z } from "zod";

export interface AccessLogLine {
  /** False for a connection without any request. */
  readonly isRequest: boolean;
  /** "-" where there is none, like all texts here. */
  readonly authority: string;
  readonly cluster: string;
  /** Address and port that the client connected to. */
  readonly destination: string;
  readonly serverName: string;
  readonly route: string;
  /** Whether something says why it ended: a policy, for example. */
  readonly hasReason: boolean;
}

/** The end of the text format: authority, upstream host, cluster, three addresses, server name, route, and perhaps our marks. */
const tail = /"([^"]*)" "[^"]*" ([^\s"]+) \S+ (\S+) (\S+) (\S+) (\S+)(?: (?:-|true)(?: \S)?)?$/;

/** Reads a line; undefined when it is no line of these formats. */
export function parseAccessLogLine(line: string): AccessLogLine | undefined {
  const text = line.trimEnd();
  if (text.startsWith("{")) return jsonLine(text);
  const [, authority = "-", cluster, destination = "-", , serverName = "-", route = "-"] = tail.exec(text) ?? [];
  if (cluster === undefined || !text.startsWith("[")) return undefined;
  return {
    isRequest: !/^\[[^\]]*\] "- - -"/.test(text),
    authority,
    cluster,
    destination,
    serverName,
    route,
    hasReason: !/^\[[^\]]*\] "[^"]*" \d+ \S+ - - /.test(text),
  };
}

const word = z.string().nullish();

const jsonSchema = z.object({
  start_time: z.string(),
  method: word,
  authority: word,
  upstream_cluster: word,
  downstream_local_address: z.string(),
  requested_server_name: word,
  route_name: word,
  response_code_details: word,
  connection_termination_details: word,
});

function jsonLine(text: string): AccessLogLine | undefined {
  const line = jsonSchema.safeParse(jsonOf(text)).data;
  if (line === undefined) return undefined;
  const of = (value: string | null | undefined) => value ?? "-";
  return {
    isRequest: of(line.method) !== "-",
    authority: of(line.authority),
    cluster: of(line.upstream_cluster),
    destination: line.downstream_local_address,
    serverName: of(line.requested_server_name),
    route: of(line.route_name),
    hasReason: of(line.response_code_details) !== "-" || of(line.connection_termination_details) !== "-",
  };
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
