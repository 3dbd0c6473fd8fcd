// Specs of a VirtualService, and what is wrong with each.

import { describe } from "vitest";
import { checkSpecs, type SpecCase } from "./testing/check-specs.ts";

const to = "route: [{destination: {host: web}}]";
const http = (route: string) => `{hosts: [web], http: [{${route}}]}`;
const at = "spec.http[0]";

const virtualServices: readonly SpecCase[] = [
  [http(to)],
  ["{http: [{route: [{destination: {host: web}}]}]}", "LTN0109 spec.hosts"],
  [`{hosts: ["http://web/"], http: [{${to}}]}`, "LTN0202 spec.hosts[0]"],
  [`{hosts: ["web:80"], http: [{${to}}]}`, "LTN0202 spec.hosts[0]"],
  [`{hosts: ["a.*.b"], http: [{${to}}]}`, "LTN0202 spec.hosts[0]"],
  [`{hosts: [web, b, WEB], http: [{${to}}]}`, "LTN0203 spec.hosts[2]"],
  [`{hosts: ["*"], http: [{${to}}]}`, "LTN0223 spec.hosts[0]"],
  [`{hosts: ["*"], gateways: [edge], http: [{${to}}]}`],
  [
    `{hosts: [web], gateways: [a/b/c, "", "ns/Edge"], http: [{${to}}]}`,
    "LTN0221 spec.gateways[0]",
    "LTN0221 spec.gateways[1]",
    "LTN0221 spec.gateways[2]",
  ],
  ["{hosts: [web]}", "LTN0204 spec"],
  [http("timeout: 1s"), `LTN0205 ${at}`],
  [http(`${to}, redirect: {uri: /a}`), `LTN0205 ${at}`],
  [http("directResponse: {status: 200}, rewrite: {uri: /a}"), `LTN0205 ${at}.rewrite`],
  [http("route: [{destination: {host: a}, weight: -1}, {destination: {host: b}, weight: 5}]"), `LTN0206 ${at}.route[0].weight`],
  [http("route: [{destination: {host: a}, weight: 0}, {destination: {host: b}}]"), `LTN0206 ${at}.route`],
  [http("route: [{destination: {host: a}, weight: 1}, {destination: {host: b}, weight: 1000}]")],
  [http("route: [{destination: {host: a}, weight: 0}]")],
  [http(`match: [{uri: {regex: "/(a"}}], ${to}`), `LTN0207 ${at}.match[0].uri.regex`],
  [http(`match: [{uri: {regex: "(?=a)"}}], ${to}`), `LTN0207 ${at}.match[0].uri.regex`],
  [http(`match: [{uri: {regex: ""}}], ${to}`), `LTN0207 ${at}.match[0].uri.regex`],
  [http(`match: [{headers: {a: {regex: "${"[ab]?".repeat(17_000)}"}}}], ${to}`), `LTN0207 ${at}.match[0].headers.a.regex`],
  [http(`match: [{headers: {a: {regex: "${"a{1000}".repeat(33)}"}}}], ${to}`), `LTN0207 ${at}.match[0].headers.a.regex`],
  [http(`match: [{headers: {a: {regex: "${"a{1000}".repeat(32)}"}}}], ${to}`)],
  [http(`match: [{queryParams: {a: {regex: "[" }}}], ${to}`), `LTN0207 ${at}.match[0].queryParams.a.regex`],
  [http(`match: [{withoutHeaders: {a: {regex: "["}}}], ${to}`), `LTN0207 ${at}.match[0].withoutHeaders.a.regex`],
  [http(`match: [{headers: {"a b": {}}}], ${to}`), `LTN0213 ${at}.match[0].headers["a b"]`],
  [
    http(
      `match: [{headers: {":method": {exact: GET}, "@request.auth.claims.x": {}, "@request.auth.claims[x.y][z]": {}, "@request.auth.claims": {}}}], ${to}`,
    ),
    `LTN0213 ${at}.match[0].headers["@request.auth.claims"]`,
  ],
  [http(`match: [{uri: {exact: a}}], ${to}`), `LTN0226 ${at}.match[0].uri`],
  [http(`match: [{method: {exact: get}}], ${to}`), `LTN0226 ${at}.match[0].method`],
  [http(`match: [{port: 0}], ${to}`), `LTN0105 ${at}.match[0].port`],
  [http(`match: [{uri: {regex: /a}, ignoreUriCase: true}], ${to}`), `LTN0217 ${at}.match[0].ignoreUriCase`],
  [http(`match: [{sourceLabels: {"a b": c}}], ${to}`), `LTN0106 ${at}.match[0].sourceLabels["a b"]`],
  [http(`${to}, timeout: 0s`), `LTN0211 ${at}.timeout`],
  [
    http(`${to}, retries: {attempts: 1, perTryTimeout: 10us, backoff: 0s}`),
    `LTN0211 ${at}.retries.perTryTimeout`,
    `LTN0211 ${at}.retries.backoff`,
  ],
  [http(`${to}, retries: {attempts: -1}`), `LTN0210 ${at}.retries.attempts`],
  [http(`${to}, retries: {attempts: 0, backoff: 25ms}`), `LTN0212 ${at}.retries.attempts`],
  [http(`${to}, retries: {attempts: 1, retryOn: "5xx, 503,unavailable,sometimes"}`), `LTN0210 ${at}.retries.retryOn`],
  [http(`${to}, fault: {}`), `LTN0214 ${at}.fault`],
  [http(`${to}, fault: {delay: {percentage: {value: 101}}}`), `LTN0214 ${at}.fault.delay`, `LTN0209 ${at}.fault.delay.percentage.value`],
  [http(`${to}, fault: {abort: {percentage: {value: 1}}}`), `LTN0214 ${at}.fault.abort`],
  [
    http(`${to}, fault: {abort: {httpStatus: 700, percentage: {value: -1}}}`),
    `LTN0208 ${at}.fault.abort.httpStatus`,
    `LTN0209 ${at}.fault.abort.percentage.value`,
  ],
  [http(`${to}, fault: {abort: {grpcStatus: BROKEN, percentage: {value: 1}}}`), `LTN0208 ${at}.fault.abort.grpcStatus`],
  [http(`${to}, fault: {abort: {grpcStatus: "14", percentage: {value: 0.5}}}`)],
  [http(`${to}, rewrite: {}`), `LTN0215 ${at}.rewrite`],
  [http(`${to}, rewrite: {uri: /a, uriRegexRewrite: {match: a, rewrite: b}}`), `LTN0215 ${at}.rewrite`],
  [http(`${to}, rewrite: {uriRegexRewrite: {match: "(", rewrite: b}}`), `LTN0207 ${at}.rewrite.uriRegexRewrite.match`],
  [http("redirect: {uri: /a, redirectCode: 200}"), `LTN0208 ${at}.redirect.redirectCode`],
  [http("redirect: {port: 80, derivePort: FROM_REQUEST_PORT}"), `LTN0224 ${at}.redirect`],
  [http("directResponse: {status: 100}"), `LTN0208 ${at}.directResponse.status`],
  [http("directResponse: {status: 200, body: {}}"), `LTN0108 ${at}.directResponse.body`],
  [
    http(`${to}, mirror: {host: a}, mirrors: [{destination: {host: b}, percentage: {value: 200}}]`),
    `LTN0216 ${at}.mirrors`,
    `LTN0209 ${at}.mirrors[0].percentage.value`,
  ],
  [http(`${to}, headers: {request: {set: {":authority": a, Host: b, ":path": c}}}`), `LTN0213 ${at}.headers.request.set[":path"]`],
  [
    http(`${to}, headers: {response: {set: {host: a}, remove: ["a b"]}}`),
    `LTN0213 ${at}.headers.response.set.host`,
    `LTN0213 ${at}.headers.response.remove[0]`,
  ],
  [http('route: [{destination: {host: a}, headers: {request: {add: {a: "b\\n"}}}}]'), `LTN0213 ${at}.route[0].headers.request.add.a`],
  [http('route: [{destination: {host: "*.a"}}]'), `LTN0202 ${at}.route[0].destination.host`],
  [http("route: [{destination: {host: a, subset: V1}}]"), `LTN0106 ${at}.route[0].destination.subset`],
  [`{hosts: [web], http: [{match: [{uri: {prefix: /}}], ${to}}, {match: [{uri: {prefix: /a}}], ${to}}]}`, "LTN0222 spec.http[1]"],
  [`{hosts: [web], http: [{match: [{uri: {prefix: /a}}], ${to}}, {match: [{uri: {prefix: /a}, name: x}], ${to}}]}`, "LTN0222 spec.http[1]"],
  [`{hosts: [web], http: [{match: [{uri: {prefix: /}, headers: {a: {}}}], ${to}}, {${to}}]}`],
  [
    "{hosts: [web], tcp: [{match: [{port: 1, destinationSubnets: [10.0.0.0/33], sourceSubnet: x}]}]}",
    "LTN0220 spec.tcp[0].match[0].destinationSubnets[0]",
    "LTN0220 spec.tcp[0].match[0].sourceSubnet",
    "LTN0205 spec.tcp[0].route",
  ],
  [`{hosts: [web], tcp: [{${to}}, {match: [{port: 1}], ${to}}]}`, "LTN0222 spec.tcp[1]"],
  [`{hosts: [web], tls: [{${to}}]}`, "LTN0218 spec.tls[0].match"],
  [`{hosts: [web], tls: [{match: [{sniHosts: []}], ${to}}]}`, "LTN0218 spec.tls[0].match[0].sniHosts"],
  [`{hosts: ["*.a.b"], tls: [{match: [{sniHosts: [x.a.b, c.d]}], ${to}}]}`, "LTN0219 spec.tls[0].match[0].sniHosts[1]"],
];

describe("VirtualService", () => checkSpecs("VirtualService", virtualServices));
