// What a tree of processes listens on, by network namespace: from /proc, so that nothing is missed and nothing is asked of the processes.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface Listening {
  /** "net:[4026531840]". */
  readonly namespace: string;
  readonly pid: number;
  /** First words of the command line. */
  readonly command: string;
  readonly protocol: "tcp" | "tcp6" | "udp" | "udp6";
  /** "127.0.0.1:15053", "[::1]:15053"; IPv6 otherwise as the kernel's 32 digits. */
  readonly address: string;
}

/**
 * Listening TCP sockets and bound, unconnected UDP sockets of a process and all below it. A socket belongs to the namespace it was made in,
 * which need not be that of the process that has it now.
 */
export function listeningOf(rootPid: number): readonly Listening[] {
  const owners = new Map<string, number>();
  // Several to look through for each namespace: one may have ended by then.
  const tables = new Map([[networkOf("self"), [process.pid]]]);
  for (const pid of treeOf(rootPid)) {
    try {
      const network = networkOf(pid);
      tables.set(network, [...(tables.get(network) ?? []), pid]);
      for (const inode of socketsOf(pid)) owners.set(inode, pid);
    } catch {
      // It has just ended.
    }
  }
  return [...tables].flatMap(([namespace, pids]) => listeningIn(namespace, pids, owners));
}

/** The network namespace of a process. */
export function networkOf(pid: number | "self"): string {
  return readlinkSync(`/proc/${pid}/ns/net`);
}

function treeOf(rootPid: number): readonly number[] {
  const parents = new Map<number, number>();
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const stat = readFileSync(`/proc/${name}/stat`, "utf8");
      parents.set(Number(name), Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]));
    } catch {
      // It has just ended.
    }
  }
  const tree = new Set([rootPid]);
  for (let before = 0; before !== tree.size; ) {
    before = tree.size;
    for (const [pid, parent] of parents) if (tree.has(parent)) tree.add(pid);
  }
  return [...tree];
}

/** Socket inodes that a process has open. */
function socketsOf(pid: number): ReadonlySet<string> {
  const inodes = readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
    } catch {
      return [];
    }
  });
  return new Set(inodes);
}

const listenState = "0A";
const unconnectedState = "07";

function listeningIn(namespace: string, pids: readonly number[], owners: ReadonlyMap<string, number>): readonly Listening[] {
  const protocols = ["tcp", "tcp6", "udp", "udp6"] as const;
  return protocols.flatMap((protocol) => {
    const wanted = protocol.startsWith("tcp") ? listenState : unconnectedState;
    const lines = tableOf(pids, protocol).trim().split("\n").slice(1);
    return lines.flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const pid = owners.get(fields[9] ?? "");
      if (fields[3] !== wanted || pid === undefined) return [];
      return [{ namespace, pid, command: commandOf(pid), protocol, address: addressOf(fields[1] ?? "") }];
    });
  });
}

/** A network namespace's sockets, as the first of its processes that still lives sees them. */
function tableOf(pids: readonly number[], protocol: string): string {
  for (const pid of pids) {
    try {
      return readFileSync(`/proc/${pid}/net/${protocol}`, "utf8");
    } catch {
      // It has just ended.
    }
  }
  return "";
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ").slice(0, 100);
  } catch {
    return "(ended)";
  }
}

/** "0100007F:3ACD" as "127.0.0.1:15053": the kernel prints words in the machine's byte order, little-endian on all we run on. */
function addressOf(text: string): string {
  const [address = "", port = ""] = text.split(":");
  const number = Number.parseInt(port, 16);
  if (address === "00000000000000000000000001000000") return `[::1]:${number}`;
  if (address.length !== 8) return `[${address}]:${number}`;
  return `${Buffer.from(address, "hex").reverse().join(".")}:${number}`;
}
