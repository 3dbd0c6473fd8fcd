// Access log lines of Envoys in Istio's default text format, as the runtime's log files keep them (CRI prefix first).

/** Response flags of a line, "-" for none; undefined for what isn't an access log line. */
export function responseFlags(line: string): string | undefined {
  return /"[^"]*" \d+ (\S+) /.exec(line.slice(line.indexOf("[")))?.[1];
}

/** Lines with flags, which all say that something went wrong. DC (the client went away) is the test's own doing, when it cuts connections. */
export function flagged(log: string): readonly string[] {
  return log.split("\n").filter((line) => !["-", "DC", undefined].includes(responseFlags(line)));
}
