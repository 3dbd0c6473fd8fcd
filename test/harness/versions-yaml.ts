// A host outside the mesh with a server of each version on the loopback, for tests of splits with one real Envoy.

export interface VersionedHost {
  /** "web.example": its objects are called "web", in namespace test. */
  readonly host: string;
  readonly port: number;
  readonly protocol: "HTTP" | "TCP";
  /** Ports on 127.0.0.1 by version; a version without one has a subset and no endpoint. */
  readonly servers: Readonly<Record<string, number | undefined>>;
  /** Of the DestinationRule, as YAML on one line. */
  readonly trafficPolicy?: string;
}

/** Its ServiceEntry, and a DestinationRule with a subset for each version; another document may follow. */
export function versionsYaml({ host, port, protocol, servers, trafficPolicy }: VersionedHost): string {
  const [name] = host.split(".");
  const portName = protocol.toLowerCase();
  const endpoints = Object.entries(servers).flatMap(([version, number]) =>
    number === undefined ? [] : [`{address: 127.0.0.1, ports: {${portName}: ${number}}, labels: {version: ${version}}}`],
  );
  const subsets = Object.keys(servers).map((version) => `{name: ${version}, labels: {version: ${version}}}`);
  const policy = trafficPolicy === undefined ? "" : `, trafficPolicy: ${trafficPolicy}`;
  return `
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}, namespace: test}
spec:
  hosts: [${host}]
  resolution: STATIC
  ports: [{number: ${port}, name: ${portName}, protocol: ${protocol}}]
  endpoints: [${endpoints.join(", ")}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ${name}, namespace: test}
spec: {host: ${host}, subsets: [${subsets.join(", ")}]${policy}}
---
`;
}
