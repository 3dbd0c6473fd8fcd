// Placeholder types, filled below.
/** One name with its addresses. */
export interface DnsHost {
  /** Full name in lower case without trailing dot, or `*.suffix`. */
  readonly host: string;
  /** IPv4 (IPv6 allowed); a headless service has its pods' addresses. */
  readonly addresses: readonly string[];
  /** Named ports, for SRV `_name._protocol.host`. */
  readonly ports?: readonly { readonly name: string; readonly protocol: "tcp" | "udp"; readonly port: number }[];
}
