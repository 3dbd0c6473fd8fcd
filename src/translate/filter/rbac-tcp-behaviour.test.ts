// What generated network RBAC does in a real Envoy: identities over mutual TLS, ports, SNI, and HTTP attributes that TCP can't decide.

import { expect, test } from "vitest";
import { testPolicy } from "../../../test/harness/policies.ts";
import { startTcpRbacEnvoy, staticNetworkFilters, type TcpPorts } from "../../../test/harness/tcp-rbac-envoy.ts";
import { decideAccess } from "../../analyze/access/decide-access.ts";
import { authorizationPoliciesOf } from "../../model/policies.ts";

interface TcpCase {
  readonly title: string;
  readonly policies: (ports: TcpPorts) => readonly object[];
  /** Who gets through: plaintext, the genuine client, one whose DNS SAN is the genuine one's URI. */
  readonly expected: readonly [plain: boolean, genuine: boolean, forged: boolean];
}

const from = (source: object): object => ({ from: [{ source }] });
const to = (operation: object): object => ({ to: [{ operation }] });
const genuine = "spiffe://cluster.local/ns/shop/sa/web";

const cases: readonly TcpCase[] = [
  { title: "no policy", policies: () => [], expected: [true, true, true] },
  { title: "an empty ALLOW", policies: () => [{}], expected: [false, false, false] },
  {
    title: "ALLOW a principal",
    policies: () => [{ rules: [from({ principals: ["cluster.local/ns/shop/sa/web"] })] }],
    expected: [false, true, false],
  },
  { title: "ALLOW a namespace", policies: () => [{ rules: [from({ namespaces: ["shop"] })] }], expected: [false, true, false] },
  {
    title: "DENY others",
    policies: () => [{ action: "DENY", rules: [from({ notNamespaces: ["shop"] })] }],
    expected: [false, true, false],
  },
  { title: "ALLOW a port", policies: ({ plainPort }) => [{ rules: [to({ ports: [String(plainPort)] })] }], expected: [true, false, false] },
  {
    title: "ALLOW an SNI",
    policies: () => [{ rules: [{ when: [{ key: "connection.sni", values: ["DB.example"] }] }] }],
    expected: [false, true, true],
  },
  { title: "ALLOW with a method is left out", policies: () => [{ rules: [to({ methods: ["GET"] })] }], expected: [false, false, false] },
  {
    title: "ALLOW with a method beside one without",
    policies: () => [{ rules: [to({ methods: ["GET"] }), from({ namespaces: ["shop"] })] }],
    expected: [false, true, false],
  },
  {
    title: "DENY with a method denies without it",
    policies: () => [{ action: "DENY", rules: [{ ...from({ namespaces: ["shop"] }), ...to({ methods: ["GET"] }) }] }],
    expected: [true, false, true],
  },
  {
    title: "DENY with only a path denies all",
    policies: () => [{ action: "DENY", rules: [to({ paths: ["/a"] })] }],
    expected: [false, false, false],
  },
  {
    title: "DENY with a token denies without it",
    policies: () => [{ action: "DENY", rules: [from({ namespaces: ["shop"], notRequestPrincipals: ["*"] })] }],
    expected: [true, false, true],
  },
  {
    title: "DENY by a header keeps the rest",
    policies: () => [
      {
        action: "DENY",
        rules: [
          {
            when: [
              { key: "request.headers[x]", values: ["a"] },
              { key: "source.namespace", values: ["shop"] },
            ],
          },
        ],
      },
    ],
    expected: [true, false, true],
  },
];

test.each(cases)("$title", async ({ policies, expected }) => {
  const policiesAt = (ports: TcpPorts) =>
    authorizationPoliciesOf(
      policies(ports).map((spec, index) => testPolicy(spec, { name: `p${index}` })),
      { namespace: "a", labels: {} },
      "istio-system",
    );
  const options = { trustDomains: ["cluster.local"] };
  await using envoy = await startTcpRbacEnvoy((ports) => staticNetworkFilters(policiesAt(ports), options));
  const forged = envoy.authority.issue({ uri: "spiffe://evil/ns/e/sa/e", dnsNames: [genuine] });
  const serverName = "db.example";
  const reached = [
    await envoy.reaches(),
    await envoy.reaches({ certificate: envoy.authority.issue({ uri: genuine }), serverName }),
    await envoy.reaches({ certificate: forged, serverName }),
  ];
  expect(reached).toEqual(expected);
  const decided = [[], [genuine], ["spiffe://evil/ns/e/sa/e"]].map((peer) => {
    const [destinationPort, sni] = peer.length === 0 ? [envoy.plainPort, ""] : [envoy.tlsPort, serverName];
    const addresses = { sourceIp: "127.0.0.1", remoteIp: "127.0.0.1", destinationIp: "127.0.0.1" };
    return decideAccess(policiesAt(envoy), { peer, ...addresses, destinationPort, serverName: sni }, options).allowed;
  });
  expect(decided).toEqual(expected);
});
