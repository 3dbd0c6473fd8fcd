// Every code a Diagnostic can bear: what it means and what to do. Codes are never reused; a test compares this table with its uses.

import { type CodeEntry, error, info, warning } from "./code-entry.ts";
import { releaseCodes } from "./release/codes.ts";

export type { CodeEntry } from "./code-entry.ts";

export const codes = {
  LTN0001: error("unreadable text", "The file is not UTF-8 text.", "Save the file as UTF-8 text."),
  LTN0002: error("broken YAML", "The document is not well-formed YAML or JSON.", "Correct the syntax at the position named."),
  LTN0003: error(
    "too large or too deep",
    "The document exceeds a limit that protects the control plane.",
    "Split it into smaller documents.",
  ),
  LTN0004: error("duplicate key", "A mapping has the same key twice.", "Remove one of the two."),
  LTN0005: error("forbidden key", "A key is a name that JavaScript programs can be attacked with.", "Rename the key."),
  LTN0006: error("not a resource", "The document is no object with apiVersion and kind.", "Begin it with apiVersion, kind and metadata."),
  LTN0007: error("unknown kind", "No kind of this group and name exists here.", "Check apiVersion and kind for misspellings."),
  LTN0008: error(
    "kind not supported yet",
    "The kind is Istio's or Kubernetes', but nothing here acts on it yet.",
    "Remove it, or keep it in a file of its own for clusters.",
  ),
  LTN0009: error("unknown version", "The kind exists, but not in this version.", "Use one of the versions named."),
  LTN0010: error(
    "number too large",
    "An integer is outside what can be stored exactly (±2^53).",
    "Write it as a string, or use a smaller number.",
  ),
  LTN0011: error("same object twice", "Two documents declare the same object; the first one counts.", "Remove or rename one of them."),
  LTN0101: error("unknown field", "The field doesn't exist in this kind.", "Remove it or correct its spelling."),
  LTN0102: error("missing field", "A required field is missing.", "Add it."),
  LTN0103: error("wrong type", "The value has another type than the field.", "Write a value of the type named."),
  LTN0104: error("unknown value", "The field takes only certain words.", "Use one of the values named."),
  LTN0105: error("out of range", "The number or length is outside the allowed range.", "Use a value within the range named."),
  LTN0106: error("invalid name", "Names and labels follow Kubernetes' rules (DNS-1123).", "Use lower-case letters, digits and '-'."),
  LTN0107: error("not a duration", "Durations are numbers with units.", 'Write for example "250ms", "1.5s" or "1h".'),
  LTN0108: error("exactly one of several", "Of these fields exactly one must be given.", "Give exactly one of them."),
  LTN0109: warning(
    "field without effect yet",
    "The field is accepted, but nothing acts on it yet.",
    "Remove it, or don't rely on it here.",
  ),
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
  LTN0601: error("no containers", "A pod runs at least one container.", "Add a container."),
  LTN0602: error("name twice", "Names of containers, volumes and ports are unique in a pod.", "Rename one of them."),
  LTN0603: error("unknown volume", "A mount names a volume that the pod doesn't have.", "Add the volume to spec.volumes."),
  LTN0604: error("restartPolicy", "Pods of a Deployment always restart.", "Remove restartPolicy."),
  LTN0605: error(
    "invalid probe",
    "A probe has exactly one handler, and numbers that let it end.",
    "Give exactly one of httpGet, tcpSocket, exec, grpc.",
  ),
  LTN0606: error("selector misses template", "A Deployment must own the pods it makes.", "Give selector and template the same labels."),
  LTN0607: error(
    "invalid strategy",
    "The update could never begin, or the strategy doesn't have this setting.",
    "Set maxSurge or maxUnavailable above 0.",
  ),
  LTN0608: error("invalid service ports", "Ports of a Service are told apart by name and number.", "Name every port, uniquely."),
  LTN0609: error("invalid endpoint address", "The address is not of the slice's addressType.", "Correct addressType or the address."),
  LTN0610: error("key twice", "A key of a ConfigMap stands in data or binaryData, not both.", "Keep one of them."),
  LTN0611: error(
    "not base64",
    "Values of data (Secret) and binaryData are base64.",
    "Encode it, or use stringData (Secret) or data (ConfigMap).",
  ),
  LTN0612: error(
    "invalid hostPath",
    "A hostPath volume is an absolute path of this machine, without '..'.",
    "Write the path in full, for example /srv/data.",
  ),
  LTN0701: error(
    "unknown destination",
    "Traffic is sent to a host that is no Service and no ServiceEntry.",
    "Correct the host, or add the Service or ServiceEntry.",
  ),
  LTN0702: error(
    "unknown subset",
    "Traffic is sent to a subset that no DestinationRule defines.",
    "Add the subset to the DestinationRule of the host.",
  ),
  LTN0703: warning(
    "subset without pods",
    "No pod of the service has the subset's labels, so requests to it fail.",
    "Correct the labels, or start such pods.",
  ),
  LTN0704: error(
    "host claimed twice",
    "Two VirtualServices are for one host at one place; the older one counts.",
    "Merge them, or remove one.",
  ),
  LTN0705: error(
    "subset defined twice",
    "Two DestinationRules define one subset of one host; the older one counts.",
    "Rename or remove one of them.",
  ),
  LTN0706: error("unknown gateway", "A VirtualService binds to a Gateway that doesn't exist.", "Correct the name, or add the Gateway."),
  LTN0707: warning(
    "gateway without pods",
    "No pod has the labels of the Gateway's selector, so it serves nothing.",
    "Correct the selector, or start a gateway.",
  ),
  LTN0708: error(
    "service claimed twice",
    "A ServiceEntry names a host that a Service or an older ServiceEntry has.",
    "Use another host, or remove one of them.",
  ),
  LTN0709: error(
    "port conflict",
    "Two objects want one port with different protocols; the older one counts.",
    "Use another port, or the same protocol.",
  ),
  LTN0710: error("unknown port", "Traffic is sent to a port that the host doesn't have.", "Use one of its ports."),
  LTN0711: warning(
    "host not exposed",
    "No server of the Gateway exposes the VirtualService's hosts.",
    "Add the host to the Gateway, or bind to another.",
  ),
  LTN0712: warning("service without pods", "No pod has the labels of the Service's selector.", "Correct the selector, or start such pods."),
  LTN0713: warning(
    "rule for an unknown host",
    "A DestinationRule is for a host that no Service and no ServiceEntry has.",
    "Correct spec.host, or add the Service or ServiceEntry.",
  ),
  LTN0715: warning(
    "host unknown to the mesh",
    "A VirtualService on the mesh is for a host that no Service and no ServiceEntry has.",
    "Correct the host, add a ServiceEntry, or bind it to a Gateway.",
  ),
  LTN0716: error(
    "server name claimed twice",
    "Two servers of one port end TLS for the same host; the older one has it.",
    "Use another host or port, or remove one of them.",
  ),
  LTN0717: error(
    "files of another namespace",
    "A Gateway names files of a gateway's pod in another namespace. Only Gateways of the pod's own namespace may; the server is left out.",
    "Put the certificate into a Secret in the namespace of the gateway's pod, and name it in credentialName.",
  ),
  LTN0718: warning(
    "port with two protocols",
    "Services declare different protocols for one port of a workload. Its proxy speaks one there: the oldest Service's.",
    "Give both ports the same appProtocol (or name prefix), or different targetPorts.",
  ),
  LTN0719: warning(
    "name of the server is not checked",
    "A DestinationRule begins TLS to a wildcard host where connections don't say which server they mean, so no name can be compared.",
    "Add sni or subjectAltNames to the rule's tls, or subjectAltNames to the ServiceEntry.",
  ),
  LTN0801: error("invalid match value", "An AuthorizationPolicy compares with texts that may have a * at one end.", "Correct the value."),
  LTN0802: error(
    "invalid path template",
    "In a template {*} stands for one segment and {**} for the rest, each as a whole segment, {**} last.",
    'Write for example "/shops/{*}/items/{**}".',
  ),
  LTN0803: error("empty part of a rule", "A source, operation or condition that says nothing would match everything.", "Give it a value."),
  LTN0804: error(
    "not enforced here yet",
    "Nothing acts on this part of a security policy, so the whole policy is refused.",
    "Write the policy without it.",
  ),
  LTN0805: error("conflicting parts of a policy", "Two fields of a security policy exclude each other.", "Keep one of them."),
  LTN0806: error("unknown attribute", "A condition asks for an attribute that requests don't have.", "Use one of the attributes named."),
  LTN0807: error(
    "port mTLS without selector",
    "Ports belong to workloads, so port-level mTLS needs a selector.",
    "Add selector.matchLabels, or use mtls.mode.",
  ),
  LTN0808: error("invalid JWT rule", "A RequestAuthentication's rule could never accept a token, or not safely.", "Correct the rule."),
  LTN0809: warning(
    "literal asterisk",
    "Wildcards are possible at the beginning or the end of a value only.",
    "Use a * at one end, or in paths the template {*}.",
  ),
  LTN0820: warning(
    "tokens are not required",
    "A RequestAuthentication refuses bad tokens only; a request without any passes unless a policy asks for one.",
    "Add an AuthorizationPolicy that asks for a request principal.",
  ),
  LTN0821: warning(
    "rule without usable keys",
    "Keys of a RequestAuthentication's rule are missing or can't verify signatures.",
    "Add jwksUri or jwks with public keys.",
  ),
  LTN0822: warning(
    "claims that nobody verifies",
    "A route asks for claims of tokens where no RequestAuthentication verifies any, so it never matches.",
    "Add a RequestAuthentication for the gateway's pods.",
  ),
  LTN0823: warning(
    "keys can't be fetched",
    "The control plane could not fetch the keys of a RequestAuthentication's rule. It tries again by itself.",
    "Correct the address, or allow it by the annotation lateen.dev/fetch-keys-from on ConfigMap istio-system/istio.",
  ),
  LTN0824: warning(
    "tokens on a port of undeclared protocol",
    "A RequestAuthentication is for a port whose protocol is only detected: what isn't recognised as HTTP passes as bytes, unchecked.",
    "Let the Service's port name begin with http, http2 or grpc, or set its appProtocol.",
  ),
  LTN0830: warning(
    "policy for no workload",
    "No pod has the labels of a security policy's selector, so the policy protects nothing.",
    "Correct the selector or the namespace, or start such pods.",
  ),
  LTN0831: info(
    "callers without sidecar are shut out",
    "A port takes mutual TLS only, and pods without a sidecar, which can't speak it, are near.",
    "Give them sidecars, or set PERMISSIVE where they call.",
  ),
  LTN0832: warning(
    "client and server disagree on TLS",
    "A DestinationRule makes clients speak what the PeerAuthentication of the servers refuses, so connections fail.",
    "Use tls mode ISTIO_MUTUAL or none, or change the PeerAuthentication.",
  ),
  LTN0833: warning(
    "policy without a proxy",
    "A security policy selects a pod without a sidecar: nothing enforces it there.",
    "Give the pod a sidecar.",
  ),
  LTN0834: warning(
    "callers without identity pass",
    "The rule tells callers by their identity, and the port takes plaintext, whose callers have none: a DENY, or a `not`, doesn't hold for them.",
    "Set PeerAuthentication STRICT for the workload, or deny what has no principal.",
  ),
  LTN0835: warning(
    "identity that nobody can have",
    "The rule tells callers by their identity, and PeerAuthentication DISABLE takes plaintext only, so nobody has one.",
    "Set PERMISSIVE or STRICT for the workload.",
  ),
  LTN0836: warning(
    "principal of another trust domain",
    "No certificate of this mesh bears the trust domain of the principal.",
    "Write cluster.local or the mesh's trust domain, or add the other one to trustDomainAliases.",
  ),
  LTN0837: warning(
    "HTTP rule on a TCP port",
    "TCP ports have no methods, paths, headers or tokens: an ALLOW rule that asks for them matches nothing there, a DENY rule is read without them.",
    "Declare the port's protocol, or name the HTTP ports in the rule's operation.",
  ),
  LTN0900: error("lateen.yaml", "The project file lateen.yaml has a mistake.", "Correct the field named."),
  LTN0901: error("mesh settings", "A setting of the mesh (MeshConfig) has a mistake.", "Correct the setting named."),
  LTN0902: warning(
    "mesh setting without effect",
    "A setting of the mesh (MeshConfig) is accepted, but nothing acts on it yet.",
    "Remove it, or don't rely on it here.",
  ),
  LTN0903: error(
    "refused by a proxy",
    "A proxy refused the configuration made of this object and keeps its last good one.",
    "Correct the object; the proxy's own words say what is wrong.",
  ),
  LTN1001: error(
    "credential missing",
    "A Gateway or DestinationRule names a Secret that isn't there, or lacks what is needed of it, in the namespace of the proxy.",
    "Create the Secret in the namespace of the proxy.",
  ),
  LTN1002: error(
    "credential refused",
    "A Secret holds a certificate, key or CA that can't be used now. The last good one goes on serving, if there was one.",
    "Correct the Secret.",
  ),
  LTN1003: warning("certificate ends soon", "A certificate that is served expires soon.", "Renew the certificate."),
  LTN1004: warning(
    "certificate that clients may refuse",
    "A certificate is served, but something about it will make clients refuse it.",
    "Issue it anew.",
  ),
  ...releaseCodes,
} as const satisfies Readonly<Record<string, CodeEntry>>;

export type Code = keyof typeof codes;

/** Narrows a text to a known code. */
export function isCode(text: unknown): text is Code {
  return typeof text === "string" && Object.hasOwn(codes, text);
}
