// Events of `lateen tap` → lines for people: columns of fixed width, since lines come one by one. What strangers sent can't move the cursor.

import type { TapEnd, TapEvent } from "../http/tap-contract.ts";
import type { Colours, Terminal } from "./output.ts";
import { printable } from "./printable.ts";

/** What a request's line says beside its columns. */
const flagWords: Readonly<Record<string, string>> = {
  UF: "connection to the upstream failed",
  UH: "no healthy upstream",
  UC: "the upstream closed the connection",
  UR: "the upstream reset it",
  URX: "all tries used up",
  UT: "timed out",
  UPE: "the upstream broke the protocol",
  NR: "no route",
  NC: "the cluster is not known",
  DC: "the client left",
  DPE: "the client broke the protocol",
  LR: "reset by the proxy",
  DI: "delay injected",
  FI: "fault injected",
  RL: "rate limited",
  UAEX: "refused by a policy",
  UO: "too much at once (circuit breaker)",
  DT: "the connection was too old",
  SI: "the stream was idle too long",
};

interface TapColumn {
  readonly heading: string;
  readonly width: number;
  readonly cell: (event: TapEvent, colours: Colours) => string;
}

export interface TapViewOptions {
  readonly wide: boolean;
  readonly terminal: Pick<Terminal, "colours" | "isTty" | "columns">;
}

/** Prints events; remembers how wide columns have become. */
export class TapView {
  readonly #columns: readonly TapColumn[];
  readonly #widths: number[];
  readonly #options: TapViewOptions;

  constructor(options: TapViewOptions) {
    this.#options = options;
    this.#columns = options.wide ? [...columns, ...wideColumns] : columns;
    this.#widths = this.#columns.map(({ width }) => width);
  }

  heading(): string {
    return this.#line(this.#columns.map(({ heading }) => heading));
  }

  /** The line of one event, cut to the terminal's width unless it is wide. */
  line(event: TapEvent): string {
    return this.#line(this.#columns.map(({ cell }) => cell(event, this.#options.terminal.colours)));
  }

  #line(cells: readonly string[]): string {
    const padded = cells.map((cell, index) => {
      const width = widthOf(cell);
      // A column grows with what it has held, up to a limit, so that lines stay below each other.
      this.#widths[index] = Math.min(maxColumn, Math.max(this.#widths[index] ?? 0, width));
      return index === cells.length - 1 ? cell : cell + " ".repeat(Math.max(0, (this.#widths[index] ?? 0) - width));
    });
    return padded.join("  ").trimEnd();
  }
}

const maxColumn = 44;

const columns: readonly TapColumn[] = [
  { heading: "TIME", width: 12, cell: ({ start }) => start.slice(11, 23) },
  { heading: "FROM", width: 12, cell: ({ source }) => endText(source) },
  { heading: "TO", width: 12, cell: ({ destination }) => endText(destination) },
  { heading: "REQUEST", width: 24, cell: requestText },
  { heading: "CODE", width: 4, cell: codeText },
  { heading: "TOOK", width: "100ms/100ms".length, cell: tookText },
  {
    heading: "RULE",
    width: 4,
    cell: (event, colours) => [ruleText(event), ...notes(event, colours)].filter((text) => text !== "").join("  "),
  },
];

const wideColumns: readonly TapColumn[] = [
  {
    heading: "DETAIL",
    width: 6,
    cell: ({ client, server, source, destination, requestId, traceparent, sni }) =>
      printable(
        [
          pair("flags", client?.flags.join(",") || server?.flags.join(",")),
          pair("client", client?.details),
          pair("server", server?.details),
          pair("tls", client?.transportFailure ?? server?.transportFailure),
          pair("upstream", client?.upstream ?? server?.upstream),
          pair("tried", client !== undefined && client.attempted.length > 1 ? client.attempted.join(",") : undefined),
          pair("in", bytes(client?.receivedBytes ?? server?.receivedBytes)),
          pair("out", bytes(client?.sentBytes ?? server?.sentBytes)),
          pair("from", source.identity ?? source.address),
          pair("to", destination.identity),
          pair("sni", sni),
          pair("id", requestId),
          pair("trace", traceparent),
        ]
          .filter((text) => text !== "")
          .join(" "),
      ),
  },
];

function endText({ name, kind, version }: TapEnd): string {
  const shown = kind === "workload" && version !== undefined && !name.endsWith(`-${version}`) ? `${name} ${version}` : name;
  return shortened(printable(kind === "outside" ? `(${shown})` : shown), maxColumn);
}

function requestText({ kind, method, authority, path, protocol, sni }: TapEvent): string {
  if (kind !== "request") return shortened(printable(`${protocol} ${kind}${sni === "" ? "" : ` ${sni}`}`), maxColumn);
  return shortened(printable(`${method} ${authority}${path}`), maxColumn);
}

function shortened(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

function codeText({ kind, client, server, failed }: TapEvent, colours: Colours): string {
  const half = client ?? server;
  if (kind !== "request" || half === undefined) return failed ? colours.red("✗") : "";
  const text = `${half.code === 0 ? "none" : half.code}${half.grpcStatus === undefined ? "" : `/${half.grpcStatus}`}`;
  if (failed) return colours.red(text);
  return half.code >= 400 ? colours.yellow(text) : half.code >= 200 ? colours.green(text) : text;
}

/** "12ms", with the server's own time where it is known: "12ms/9ms". */
function tookText({ kind, client, server }: TapEvent): string {
  if (kind === "connected") return "";
  const [outer, inner] = [client?.durationMs, server?.durationMs];
  if (outer === undefined || inner === undefined) return millis(outer ?? inner ?? 0);
  return `${millis(outer)}/${millis(inner)}`;
}

function millis(ms: number): string {
  return ms < 10_000 ? `${ms}ms` : `${(ms / 1000).toFixed(1)}s`;
}

function ruleText({ rule }: TapEvent): string {
  return printable(rule?.text ?? "");
}

/** Whatever isn't ordinary about the request. */
function notes({ client, server, mirrored, earlierTry }: TapEvent, colours: Colours): readonly string[] {
  const tries = client === undefined ? (server?.attempts ?? 1) : client.attempts;
  const flags = [...new Set([...(client?.flags ?? []), ...(server?.flags ?? [])])];
  const denied = [server, client].find((half) => half?.details.startsWith("rbac_access_denied"));
  return [
    mirrored ? colours.cyan("mirrored") : "",
    tries > 1 || earlierTry === true ? colours.yellow(client === undefined ? `try ${tries}` : `${tries} tries`) : "",
    denied === undefined ? "" : colours.red(deniedText(denied.details)),
    ...(denied === undefined ? flags.map((flag) => colours.yellow(`${flag} ${flagWords[flag] ?? ""}`.trim())) : []),
  ].filter((text) => text !== "");
}

/** Envoy's "rbac_access_denied_matched_policy[ns[shop]-policy[orders]-rule[0]]". */
function deniedText(details: string): string {
  const [, namespace, policy, rule] = /ns\[([^\]]+)\]-policy\[([^\]]+)\]-rule\[(\d+)\]/.exec(details) ?? [];
  if (policy !== undefined) return printable(`denied by AuthorizationPolicy ${namespace}/${policy} rule ${rule}`);
  return "denied: no ALLOW policy matches";
}

function pair(name: string, value: string | undefined): string {
  return value === undefined || value === "" ? "" : `${name}=${value}`;
}

function bytes(count: number | undefined): string | undefined {
  return count === undefined ? undefined : `${count}B`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what it leaves out
const escapeSequence = /\u001b\[[0-9;]*m/g;

function widthOf(text: string): number {
  return text.replace(escapeSequence, "").length;
}
