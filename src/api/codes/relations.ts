// Rows of the table in ../codes.ts.

import { type CodeEntry, error, warning } from "../code-entry.ts";

/** LTN07xx: objects that name each other, or want the same. */
export const relationCodes = {
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
} as const satisfies Readonly<Record<string, CodeEntry>>;
