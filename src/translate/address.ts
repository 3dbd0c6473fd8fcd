// Socket addresses and CIDR ranges as Envoy writes them.

import type { AddressJson, CidrRangeJson } from "#envoy/envoy/config/core/v3/address_pb.js";

/** A TCP address. */
export function socketAddress(address: string, port: number): AddressJson {
  return { socketAddress: { address, portValue: port } };
}

/** "10.1.0.0/16" or a single address; undefined when it is neither. */
export function cidrRange(text: string): CidrRangeJson | undefined {
  const [address = "", length] = text.split("/");
  const whole = address.includes(":") ? 128 : 32;
  const prefixLen = length === undefined ? whole : Number(length);
  if (address === "" || !Number.isInteger(prefixLen) || prefixLen < 0 || prefixLen > whole) return undefined;
  return { addressPrefix: address, prefixLen };
}
