/** One port of a service's virtual address and what stands behind it. */
export interface ServiceVip {
  readonly vip: string;
  readonly port: number;
  readonly protocol: "tcp" | "udp";
  readonly endpoints: readonly { readonly address: string; readonly port: number }[];
}
