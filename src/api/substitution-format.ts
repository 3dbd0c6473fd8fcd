// Texts that Envoy fills in per request or connection ("%REQ(x-user)%"), in headers and access logs: which commands exist.
// Source: Envoy 1.40's substitution formatter, each name tried on the binary.

const plain = new Set(
  [
    "ACCESS_LOG_TYPE BYTES_RECEIVED BYTES_RETRANSMITTED BYTES_SENT CONNECTION_ID CONNECTION_TERMINATION_DETAILS CUSTOM_FLAGS",
    "DURATION FILTER_CHAIN_NAME GRPC_STATUS GRPC_STATUS_NUMBER HOSTNAME LISTENER_NAME LOCAL_REPLY_BODY PACKETS_RETRANSMITTED PATH",
    "PROTOCOL QUERY_PARAMS REQUESTED_SERVER_NAME REQUEST_DURATION REQUEST_HEADERS_BYTES REQUEST_TX_DURATION RESPONSE_CODE",
    "RESPONSE_DURATION RESPONSE_FLAGS RESPONSE_FLAGS_LONG RESPONSE_HEADERS_BYTES RESPONSE_TRAILERS_BYTES RESPONSE_TX_DURATION",
    "ROUNDTRIP_DURATION ROUTE_NAME SPAN_ID STREAM_ID TLS_JA3_FINGERPRINT TLS_JA4_FINGERPRINT TRACE_ID UNIQUE_ID VIRTUAL_CLUSTER_NAME",
    ...both("DECOMPRESSED_HEADER_BYTES_RECEIVED DECOMPRESSED_HEADER_BYTES_SENT DETECTED_CLOSE_TYPE HEADER_BYTES_RECEIVED"),
    ...both("HEADER_BYTES_SENT LOCAL_ADDRESS LOCAL_CLOSE_REASON LOCAL_DNS_SAN LOCAL_IP_SAN LOCAL_PORT LOCAL_URI_SAN PEER_CERT"),
    ...both("PEER_DNS_SAN PEER_IP_SAN PEER_ISSUER PEER_SUBJECT PEER_URI_SAN REMOTE_ADDRESS REMOTE_PORT TLS_CIPHER TLS_GROUP"),
    ...both("TLS_SESSION_ID TLS_VERSION TRANSPORT_FAILURE_REASON WIRE_BYTES_RECEIVED WIRE_BYTES_SENT"),
    ...only("DOWNSTREAM", "DIRECT_LOCAL_ADDRESS DIRECT_LOCAL_PORT DIRECT_REMOTE_ADDRESS DIRECT_REMOTE_PORT HANDSHAKE_DURATION"),
    ...only("DOWNSTREAM", "LOCAL_ADDRESS_ENDPOINT_ID LOCAL_EMAIL_SAN LOCAL_OTHERNAME_SAN LOCAL_SUBJECT PEER_CHAIN_FINGERPRINTS_1"),
    ...only("DOWNSTREAM", "PEER_CHAIN_FINGERPRINTS_256 PEER_CHAIN_SERIALS PEER_EMAIL_SAN PEER_FINGERPRINT_1 PEER_FINGERPRINT_256"),
    ...only("DOWNSTREAM", "PEER_OTHERNAME_SAN PEER_SERIAL"),
    ...only("UPSTREAM", "CLUSTER CLUSTER_RAW CONNECTION_ID CONNECTION_IDS_ATTEMPTED CONNECTION_POOL_READY_DURATION HOST HOSTS_ATTEMPTED"),
    ...only("UPSTREAM", "HOSTS_ATTEMPTED_WITHOUT_PORT HOST_NAME HOST_NAMES_ATTEMPTED HOST_NAME_WITHOUT_PORT PROTOCOL"),
    ...only("UPSTREAM", "REMOTE_ADDRESS_ENDPOINT_ID REQUEST_ATTEMPT_COUNT"),
  ].flatMap((line) => line.split(" ")),
);

/** With or without something in parentheses. */
const optional = new Set([
  ..."EMIT_TIME EMIT_TIME_LOCAL RESPONSE_CODE_DETAILS START_TIME START_TIME_LOCAL".split(" "),
  ...both("LOCAL_ADDRESS_WITHOUT_PORT PEER_CERT_V_END PEER_CERT_V_START REMOTE_ADDRESS_WITHOUT_PORT"),
  ...only("DOWNSTREAM", "DIRECT_LOCAL_ADDRESS_WITHOUT_PORT DIRECT_REMOTE_ADDRESS_WITHOUT_PORT"),
]);

/** What must stand in the parentheses. */
const withArgument: ReadonlyMap<string, RegExp> = new Map([
  ...["REQ", "RESP", "TRAILER"].map((name) => [name, /^:?[A-Za-z0-9_-]+(\?:?[A-Za-z0-9_-]+)?$/] as const),
  ...["CLUSTER_METADATA", "DYNAMIC_METADATA", "UPSTREAM_METADATA", "ENVIRONMENT", "QUERY_PARAM"].map((name) => [name, /^[^?]+$/] as const),
  ...["FILTER_STATE", "UPSTREAM_FILTER_STATE"].map((name) => [name, /^[^?:]+(:(PLAIN|TYPED))?$/] as const),
]);

/** All of them, sorted. */
export const commandNames: readonly string[] = [...plain, ...optional, ...withArgument.keys()].sort();

/** Those that may be cut: ":<length>" at the end. */
const cuttable = new Set(
  "DYNAMIC_METADATA ENVIRONMENT FILTER_STATE PATH QUERY_PARAM QUERY_PARAMS REQ RESP TRAILER UPSTREAM_FILTER_STATE".split(" "),
);

/** Envoy reads lengths as 64 bit numbers; nobody needs more digits than these. */
const commands = /%(?:%|(?<name>[A-Z0-9_]+)(?:\((?<argument>[^)\n]*)\))?(?::(?<length>\d{1,9}))?%)/y;

/** What begins at the first "%" that is no command Envoy knows, 60 characters at most; undefined when all are. "%%" is a percent sign. */
export function unknownCommand(format: string): string | undefined {
  for (let at = format.indexOf("%"); at !== -1; at = format.indexOf("%", commands.lastIndex)) {
    commands.lastIndex = at;
    const match = commands.exec(format);
    if (match === null || !isCommand(match.groups ?? {})) return format.slice(at, at + 60);
  }
  return undefined;
}

/** The groups of `commands`; no name for a percent sign. */
function isCommand({ name, argument, length }: Readonly<Record<string, string | undefined>>): boolean {
  if (name === undefined) return true;
  if (length !== undefined && !cuttable.has(name)) return false;
  if (argument === undefined) return plain.has(name) || optional.has(name);
  return optional.has(name) || withArgument.get(name)?.test(argument) === true;
}

function only(side: string, names: string): string[] {
  return names.split(" ").map((name) => `${side}_${name}`);
}

function both(names: string): string[] {
  return [...only("DOWNSTREAM", names), ...only("UPSTREAM", names)];
}
