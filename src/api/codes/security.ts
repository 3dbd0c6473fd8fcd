// Rows of the table in ../codes.ts.

import { type CodeEntry, error, info, warning } from "../code-entry.ts";

/** LTN08xx: security policies, and what they are for. */
export const securityCodes = {
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
} as const satisfies Readonly<Record<string, CodeEntry>>;
