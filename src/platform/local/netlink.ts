// Address, route and flags of an interface through ioctl: no process per pod. Called inside the pod's network namespace.

import { closeSync } from "node:fs";
import { ioctl, openSocket } from "./syscalls.ts";

const request = { getFlags: 0x8913, setFlags: 0x8914, setAddress: 0x8916, setNetmask: 0x891c, addRoute: 0x890b } as const;
const flagUp = 1;
const routeUp = 1;
const routeGateway = 2;

function writeAddress(structure: Buffer, offset: number, address: string): void {
  structure.writeUInt16LE(2, offset);
  structure.set(address.split(".").map(Number), offset + 4);
}

/** struct ifreq: a name and a union. */
function interfaceRequest(name: string, address?: string): Buffer {
  const structure = Buffer.alloc(40);
  structure.write(name, 0, 15, "ascii");
  if (address !== undefined) writeAddress(structure, 16, address);
  return structure;
}

function setUp(fd: number, name: string): void {
  const structure = interfaceRequest(name);
  ioctl(fd, request.getFlags, structure);
  structure.writeUInt16LE(structure.readUInt16LE(16) | flagUp, 16);
  ioctl(fd, request.setFlags, structure);
}

/** struct rtentry of a default route. */
function defaultRoute(gateway: string): Buffer {
  const structure = Buffer.alloc(120);
  writeAddress(structure, 8, "0.0.0.0");
  writeAddress(structure, 24, gateway);
  writeAddress(structure, 40, "0.0.0.0");
  structure.writeUInt16LE(routeUp | routeGateway, 56);
  return structure;
}

/** Brings `lo` and `eth0` up with an address and a default route. */
export function configureInterfaces(options: { address: string; netmask: string; gateway: string }): void {
  const fd = openSocket("ipv4", "dgram");
  try {
    setUp(fd, "lo");
    ioctl(fd, request.setAddress, interfaceRequest("eth0", options.address));
    ioctl(fd, request.setNetmask, interfaceRequest("eth0", options.netmask));
    setUp(fd, "eth0");
    ioctl(fd, request.addRoute, defaultRoute(options.gateway));
  } finally {
    closeSync(fd);
  }
}
