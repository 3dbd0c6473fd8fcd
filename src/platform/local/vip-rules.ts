// Virtual addresses for pods without sidecar: their own output chain picks an endpoint at random, as kube-proxy does. Pure text.
// The table is replaced in one nftables transaction, so no connection sees half of it.

/** One port of a service's virtual address and what stands behind it. */
export interface ServiceVip {
  readonly vip: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  readonly endpoints: readonly { readonly address: string; readonly port: number }[];
}

const tableName = "ip lateen_vips";
const keyOf = (vip: ServiceVip): string => `${vip.vip} ${vip.protocol} ${String(vip.port).padStart(5, "0")}`;

function balanceRule(vip: ServiceVip): string {
  const match = `ip daddr ${vip.vip} ${vip.protocol} dport ${vip.port}`;
  const only = vip.endpoints[0];
  if (vip.endpoints.length === 1 && only !== undefined) return `${match} dnat to ${only.address}:${only.port}`;
  const choices = vip.endpoints.map(({ address, port }, index) => `${index} : ${address} . ${port}`).join(", ");
  return `${match} dnat ip addr . port to numgen random mod ${vip.endpoints.length} map { ${choices} }`;
}

function refuseRule(vip: ServiceVip): string {
  const answer = vip.protocol === "tcp" ? "tcp reset" : "icmp type port-unreachable";
  return `ip daddr ${vip.vip} ${vip.protocol} dport ${vip.port} reject with ${answer}`;
}

/** Text for `nft -f` that replaces a plain pod's whole table of virtual addresses; a port without endpoints refuses at once. */
export function vipRules(vips: readonly ServiceVip[]): string {
  const sorted = [...vips].sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
  const served = sorted.filter((vip) => vip.endpoints.length > 0);
  const empty = sorted.filter((vip) => vip.endpoints.length === 0);
  return [
    // `add` first: `delete` of a table that isn't there is an error.
    `add table ${tableName}`,
    `delete table ${tableName}`,
    `table ${tableName} {`,
    "  chain out {",
    "    type nat hook output priority -100; policy accept;",
    ...served.map((vip) => `    ${balanceRule(vip)}`),
    "  }",
    "  chain refuse {",
    "    type filter hook output priority 0; policy accept;",
    ...empty.map((vip) => `    ${refuseRule(vip)}`),
    "  }",
    "}",
    "",
  ].join("\n");
}
