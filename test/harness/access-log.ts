// Access log lines of Envoys in Istio's default text format, as the runtime's log files keep them (CRI prefix first).

/** Response flags of a line, "-" for none; undefined for what isn't an access log line. */
export function responseFlags(line: string): string | undefined {
  return /"[^"]*" \d+ (\S+) /.exec(line.slice(line.indexOf("[")))?.[1];
}

/** Lines with flags, which all say that something went wrong. DC (the client went away) is the test's own doing, when it cuts connections. */
export function flagged(log: string): readonly string[] {
  return log.split("\n").filter((line) => !["-", "DC", undefined].includes(responseFlags(line)));
}

/** When the request or connection of a line began, in milliseconds since 1970; undefined for what isn't an access log line. */
export function beganAt(line: string): number | undefined {
  const began = Date.parse(/ \[([^\]]*)\] "/.exec(line)?.[1] ?? "");
  return Number.isNaN(began) ? undefined : began;
}

/** When it ended. A line is written up to a second after that: what a log has since some moment tells nothing of when it happened. */
export function endedAt(line: string): number | undefined {
  const began = beganAt(line);
  const duration = /\] "[^"]*" \d+ \S+ \S+ \S+ "[^"]*" \d+ \d+ (\d+) /.exec(line)?.[1];
  return began === undefined ? undefined : began + Number(duration ?? 0);
}
