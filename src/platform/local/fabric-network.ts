// The fabric's network: bridge, refusal and egress rules, and the wiring of pods to it. I/O with ip(8), nft(8) and ioctl.
// Pods created at the same time share one `ip -batch` process; addresses and routes need none.

import { writeFileSync } from "node:fs";
import { autoAllocatedRange, fabricAddress } from "./addresses.ts";
import { fabricRules } from "./capture.ts";
import { inNamespaces } from "./namespaces.ts";
import { configureInterfaces } from "./netlink.ts";
import { runTool } from "./run-tool.ts";
import type { Tools } from "./tools.ts";

const netmask = "255.255.0.0";
/** A connection to a pod that is gone fails after three of these (the kernel's default of 1 s is made for real cables). */
const arpRetransmitMs = "100";
const serviceRange = "198.19.0.0/16";
/**
 * The bridge's own, locally administered. Left to itself the kernel gives a bridge the lowest address among its ports: a pod that came or went changed it, and
 * what other pods sent to the node was lost until they asked again, half a minute later.
 */
const bridgeAddress = "02:4c:54:45:4e:01";

function setSysctl(path: string, value: string): void {
  writeFileSync(`/proc/sys/net/${path}`, value);
}

/** Sets a kernel switch that may not exist on this machine. */
function trySysctl(path: string, value: string): void {
  try {
    setSysctl(path, value);
  } catch {
    // Without the module (br_netfilter, ipv6) there is nothing to switch off.
  }
}

/** Makes the bridge in the process's own network namespace; call once. */
export async function startBridge(tools: Tools): Promise<void> {
  trySysctl("ipv6/conf/default/disable_ipv6", "1");
  const input = [
    "link set lo up",
    `link add br0 address ${bridgeAddress} type bridge mcast_snooping 0`,
    `addr add ${fabricAddress}/16 dev br0`,
    "link set br0 up",
    // Somewhere to route what isn't ours, so that the rules below can refuse it instead of the kernel's rate-limited ICMP.
    "route add default dev br0",
    "",
  ].join("\n");
  await runTool({ program: tools.ip, args: ["-batch", "-"], input });
  setSysctl("ipv4/ip_forward", "1");
  trySysctl("ipv4/conf/all/send_redirects", "0");
  trySysctl("ipv4/conf/br0/send_redirects", "0");
  trySysctl("bridge/bridge-nf-call-iptables", "0");
  trySysctl("ipv4/neigh/br0/retrans_time_ms", arpRetransmitMs);
}

/** Loads the fabric's rules: TCP to the outside goes to `egressPort`, or is refused when that is undefined. */
export function applyFabricRules(tools: Tools, egressPort: number | undefined): Promise<void> {
  return runTool({ program: tools.nft, args: ["-f", "-"], input: fabricRules(egressPort, [serviceRange, autoAllocatedRange]) });
}

/** Loads rules into a pod's network namespace, as one transaction. */
export function applyPodRules(tools: Tools, net: number, rules: string): Promise<void> {
  return runTool({ program: tools.nft, args: ["-f", "-"], input: rules, around: (fork) => inNamespaces({ net }, fork) });
}

interface PendingLink {
  readonly net: number;
  readonly name: string;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Connects pods to the bridge; requests that arrive while one batch runs make the next. */
export class PodLinks {
  readonly #tools: Tools;
  #pending: PendingLink[] = [];
  #running = false;
  #made = 0;

  constructor(tools: Tools) {
    this.#tools = tools;
  }

  /** A veth pair between the bridge and `eth0` in the namespace `net`. It vanishes with the namespace. */
  connect(net: number): Promise<void> {
    this.#made += 1;
    const name = `pod${this.#made.toString(36)}`;
    return new Promise((resolve, reject) => {
      this.#pending.push({ net, name, resolve, reject });
      // Wait for the callers of this turn.
      if (!this.#running) {
        this.#running = true;
        setImmediate(() => void this.#drain());
      }
    });
  }

  async #drain(): Promise<void> {
    while (this.#pending.length > 0) {
      const batch = this.#pending;
      this.#pending = [];
      await this.#connectAll(batch);
    }
    this.#running = false;
  }

  async #connectAll(batch: readonly PendingLink[]): Promise<void> {
    const lines = batch.flatMap(({ net, name }) => [
      `link add name ${name} master br0 up type veth peer name eth0 netns /proc/${process.pid}/fd/${net}`,
    ]);
    try {
      await runTool({ program: this.#tools.ip, args: ["-batch", "-"], input: `${lines.join("\n")}\n` });
      for (const link of batch) link.resolve();
    } catch (error) {
      for (const link of batch) link.reject(error);
    }
  }
}

/** Sysctls and addresses of a pod, inside its network namespace; its link must exist. */
export function configurePodNetwork(net: number, address: string): void {
  inNamespaces({ net }, () => {
    setSysctl("ipv4/ip_unprivileged_port_start", "0");
    // No IPv6 but ::1: without an address and a route every other destination fails at once.
    trySysctl("ipv6/conf/eth0/disable_ipv6", "1");
    trySysctl("ipv4/neigh/eth0/retrans_time_ms", arpRetransmitMs);
    configureInterfaces({ address, netmask, gateway: fabricAddress });
  });
}
