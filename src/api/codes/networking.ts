// Rows of the table in ../codes.ts.

import { type CodeEntry, error, warning } from "../code-entry.ts";

/** LTN02xx to LTN05xx: one VirtualService, DestinationRule, Gateway or ServiceEntry by itself. */
export const networkingCodes = {
  LTN0202: error(
    "invalid host",
    "Hosts are service names, full DNS names or wildcards with a leading '*'.",
    "Write a service name, a DNS name, or a wildcard.",
  ),
  LTN0203: error("host named twice", "The same host stands twice in one list.", "Remove one of them."),
  LTN0204: error("no routes", "A VirtualService without routes does nothing.", "Add http, tcp or tls routes."),
  LTN0205: error(
    "not exactly one action",
    "A route does exactly one thing: forward, redirect, answer, or delegate.",
    "Keep exactly one of route, redirect, directResponse.",
  ),
  LTN0206: error("weights", "Weights are relative shares: none negative, at least one above 0.", "Use whole numbers of 0 or more."),
  LTN0207: error(
    "pattern refused",
    "Envoy would refuse the pattern: it is not RE2 syntax or too large.",
    "Write it in RE2 syntax (no look-around, no back-references).",
  ),
  LTN0208: error("invalid status", "Envoy can't answer with this status.", "Use a status of 200 to 599."),
  LTN0209: error("invalid percentage", "Percentages are 0 to 100.", "Use 0 to 100; fractions are fine."),
  LTN0210: error(
    "invalid retries",
    "Envoy doesn't know this retry condition or number.",
    "Use conditions of x-envoy-retry-on, such as 5xx or connect-failure.",
  ),
  LTN0211: error("duration out of range", "The duration is too short to mean anything.", 'Write at least "1ms", or leave the field out.'),
  LTN0212: warning("retries are off", "Retry settings are given, but no retries.", "Set attempts to 1 or more."),
  LTN0213: error("invalid header", "The header's name or value can't be sent.", "Use a valid name and a value on one line."),
  LTN0214: error(
    "incomplete fault",
    "A fault needs a delay or an abort, and these their values.",
    "Give fixedDelay, and exactly one of httpStatus and grpcStatus.",
  ),
  LTN0215: error("conflicting rewrite", "A rewrite replaces the path in one way.", "Keep one of uri and uriRegexRewrite."),
  LTN0216: error("conflicting mirrors", "Both spellings of mirrors are used.", "Use mirrors."),
  LTN0217: warning("setting without effect", "The setting doesn't act in this combination.", "Remove it."),
  LTN0218: error("tls route without SNI", "A tls route chooses by SNI host.", "Add match with sniHosts."),
  LTN0219: error(
    "SNI host outside of hosts",
    "A tls route can only match hosts that the VirtualService is for.",
    "Add the SNI host to spec.hosts.",
  ),
  LTN0220: error("invalid subnet", "Subnets are addresses or CIDR ranges.", 'Write for example "10.1.0.0/16".'),
  LTN0221: error("invalid gateway name", "Gateways are named by name or namespace/name.", 'Write "name", "namespace/name", or "mesh".'),
  LTN0222: warning(
    "unreachable route",
    "First match wins, and an earlier route takes every request that this one could.",
    "Move it up, or remove it.",
  ),
  LTN0223: error("host * on the mesh", "It would take all traffic of every sidecar.", "Name hosts, or bind it to a gateway."),
  LTN0224: error("conflicting redirect", "Two fields set the same part of the redirect.", "Keep one of them."),
  LTN0226: warning("match can never hold", "No request looks like that.", "Correct the match."),
  LTN0301: error("subset twice", "Two subsets have one name.", "Rename one of them."),
  LTN0302: error("port settings twice", "Two portLevelSettings are for one port.", "Merge them."),
  LTN0303: error("conflicting load balancing", "The settings choose more or less than one way of balancing.", "Keep one way."),
  LTN0304: error("invalid Maglev table", "The table size must be a prime number.", "Use 65537."),
  LTN0305: error(
    "conflicting HTTP protocol",
    "The upstream protocol is chosen twice.",
    "Keep one of useClientProtocol and h2UpgradePolicy.",
  ),
  LTN0306: error("negative limit", "Limits are 0 or more.", "Use 0 or more."),
  LTN0307: warning("setting without effect", "The setting needs another one to act.", "Add the other one, or remove it."),
  LTN0308: error(
    "tls and its mode disagree",
    "A tls block gives what its mode needs, from a Secret or from files, and nothing else.",
    "Match mode and fields.",
  ),
  LTN0309: warning(
    "server is not checked",
    "TLS hides the traffic from others, but not from whoever pretends to be the server.",
    "Remove insecureSkipVerify, and name the server's CA.",
  ),
  LTN0401: error("empty Gateway", "A Gateway needs servers, and these hosts.", "Add a server with port and hosts."),
  LTN0402: error("server name twice", "Names of servers and of their ports are unique in a Gateway.", "Rename one of them."),
  LTN0403: error(
    "tls and protocol disagree",
    "HTTPS and TLS ports need a tls block with what its mode needs; others take none.",
    "Match protocol and tls.",
  ),
  LTN0404: error("unknown protocol", "The port's protocol is not one of Istio's.", "Use HTTP, HTTPS, HTTP2, GRPC, TCP or TLS."),
  LTN0405: error("port with two protocols", "One port of a Gateway speaks one protocol.", "Use another port."),
  LTN0406: warning(
    "clients are not checked",
    "A server asks clients for certificates, and admits them with any or none.",
    "Remove insecureSkipVerify, and name the CA of the clients.",
  ),
  LTN0501: error("no usable host", "A ServiceEntry is for named hosts.", "Name at least one host."),
  LTN0502: error("invalid address", "Addresses are IP addresses or, with NONE and STATIC, ranges.", "Write an IP address."),
  LTN0503: error("ports", "A ServiceEntry has ports with unique names and numbers.", "Add or rename ports."),
  LTN0504: error(
    "resolution and endpoints disagree",
    "The way of finding endpoints doesn't fit the hosts or endpoints given.",
    "Change resolution, hosts or endpoints.",
  ),
  LTN0505: error(
    "invalid endpoint",
    "The endpoint's address or ports don't fit the ServiceEntry.",
    "Correct the address or the port names.",
  ),
} as const satisfies Readonly<Record<string, CodeEntry>>;
