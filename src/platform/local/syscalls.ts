// The only file that calls into libc (koffi): namespaces, mounts and socket calls that Node has no function for.
// Thin: every function checks the result and throws a SyscallError with the errno's name; policy lives with the callers.

import koffi from "koffi";

/** A failed system call; `code` is the errno's name as Node writes it (`EPERM`). */
export class SyscallError extends Error {
  readonly code: string;
  readonly syscall: string;

  constructor(syscall: string, code: string, detail: string) {
    super(`${syscall} ${code}${detail === "" ? "" : `: ${detail}`}`);
    this.name = "SyscallError";
    this.code = code;
    this.syscall = syscall;
  }
}

/** clone(2) flags of the namespaces we use; `fs` is the thread's root and working directory. */
export const CloneFlag = { fs: 0x200, mnt: 0x20000, uts: 0x4000000, ipc: 0x8000000, pid: 0x20000000, net: 0x40000000 } as const;
/** mount(2) flags we use. */
export const MountFlag = { readOnly: 1, noSuid: 2, noDev: 4, bind: 4096, rec: 16384, private: 1 << 18 } as const;
/** setsockopt levels and names (asm-generic: the same on x64 and arm64). */
export const SocketOption = {
  solSocket: 1,
  reuseAddress: 2,
  receiveBuffer: 8,
  receiveBufferForce: 33,
  mark: 36,
  solIp: 0,
  originalDestination: 80,
} as const;

const socketType = { stream: 1, dgram: 2 } as const;
const nonBlockingCloseOnExec = 0o4000 | 0o2000000;
const mountSetattrNumber = 442;
const pivotRootNumbers: Readonly<Record<string, number>> = { x64: 155, arm64: 41 };
const atFdCwd = -100;
const atRecursive = 0x8000;
const mountAttrReadOnly = 1;

type LibcFunction = (...values: readonly unknown[]) => unknown;

const signatures: Readonly<Record<string, string>> = {
  unshare: "int unshare(int)",
  setns: "int setns(int, int)",
  sethostname: "int sethostname(const char *, size_t)",
  mount: "int mount(const char *, const char *, const char *, unsigned long, const char *)",
  umount2: "int umount2(const char *, int)",
  syscall5: "long syscall(long, long, const char *, long, void *, long)",
  syscall2: "long syscall(long, const char *, const char *)",
  socket: "int socket(int, int, int)",
  bind: "int bind(int, const void *, int)",
  connect: "int connect(int, const void *, int)",
  setsockopt: "int setsockopt(int, int, int, const void *, int)",
  getsockopt: "int getsockopt(int, int, int, void *, void *)",
  ioctl: "int ioctl(int, unsigned long, void *)",
  pipe2: "int pipe2(void *, int)",
};

const loaded = new Map<string, LibcFunction>();

function libc(name: string): LibcFunction {
  const known = loaded.get(name);
  if (known !== undefined) return known;
  const found: LibcFunction = koffi.load(null).func(signatures[name] ?? name);
  loaded.set(name, found);
  return found;
}

const errnoNames = new Map<number, string>(Object.entries(koffi.os.errno).map(([name, value]) => [value, name]));

function check(syscall: string, detail: string, ...values: readonly unknown[]): number {
  const result = Number(libc(syscall)(...values));
  if (result < 0) throw new SyscallError(syscall, errnoNames.get(koffi.errno()) ?? `errno ${koffi.errno()}`, detail);
  return result;
}

/** Moves the calling thread into new namespaces (unshare(2)); `flags` from CloneFlag. */
export function unshare(flags: number): void {
  check("unshare", "", flags);
}

/** Moves the calling thread into the namespace that `fd` stands for. */
export function setns(fd: number, flag: number): void {
  check("setns", "", fd, flag);
}

/** Sets the host name of the calling thread's UTS namespace. */
export function setHostname(name: string): void {
  check("sethostname", name, name, Buffer.byteLength(name));
}

/** mount(2). */
export function mount(source: string, target: string, options: { type?: string; flags?: number; data?: string }): void {
  check("mount", `${source} on ${target}`, source, target, options.type ?? "none", options.flags ?? 0, options.data ?? "");
}

/** umount2(2) with MNT_DETACH. */
export function unmountDetached(target: string): void {
  check("umount2", target, target, 2);
}

/** Makes a mount and all below it read-only, keeping every other flag (mount_setattr(2), Linux 5.12). */
export function setMountReadOnly(target: string): void {
  const attributes = Buffer.alloc(32);
  attributes.writeBigUInt64LE(BigInt(mountAttrReadOnly), 0);
  const size = attributes.length;
  const result = Number(libc("syscall5")(mountSetattrNumber, atFdCwd, target, atRecursive, attributes, size));
  if (result < 0) throw new SyscallError("mount_setattr", errnoNames.get(koffi.errno()) ?? "", target);
}

/** pivot_root(2). */
export function pivotRoot(newRoot: string, putOld: string): void {
  const number = pivotRootNumbers[process.arch];
  if (number === undefined) throw new SyscallError("pivot_root", "ENOSYS", process.arch);
  const result = Number(libc("syscall2")(number, newRoot, putOld));
  if (result < 0) throw new SyscallError("pivot_root", errnoNames.get(koffi.errno()) ?? "", newRoot);
}

/** A new socket, non-blocking and close-on-exec, in the calling thread's network namespace. */
export function openSocket(family: "ipv4" | "ipv6", type: "stream" | "dgram"): number {
  return check("socket", family, family === "ipv4" ? 2 : 10, socketType[type] | nonBlockingCloseOnExec, 0);
}

/** struct sockaddr_in or sockaddr_in6 of an address; IPv6 only `::` and `::1`. */
function socketAddress(address: string, port: number): Buffer {
  if (address.includes(":")) {
    const bytes = Buffer.alloc(28);
    bytes.writeUInt16LE(10, 0);
    bytes.writeUInt16BE(port, 2);
    if (address === "::1") bytes[23] = 1;
    return bytes;
  }
  const bytes = Buffer.alloc(16);
  bytes.writeUInt16LE(2, 0);
  bytes.writeUInt16BE(port, 2);
  bytes.set(address.split(".").map(Number), 4);
  return bytes;
}

/** bind(2). */
export function bindSocket(fd: number, address: string, port: number): void {
  const bytes = socketAddress(address, port);
  check("bind", `${address}:${port}`, fd, bytes, bytes.length);
}

/** connect(2) on a non-blocking socket; `pending` = call again to learn the outcome. */
export function connectSocket(fd: number, address: string, port: number): "connected" | "pending" {
  const bytes = socketAddress(address, port);
  try {
    check("connect", `${address}:${port}`, fd, bytes, bytes.length);
    return "connected";
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.code === "EISCONN") return "connected";
    if (error.code === "EINPROGRESS" || error.code === "EALREADY" || error.code === "EINTR") return "pending";
    throw error;
  }
}

/** setsockopt(2) with an integer value. */
export function setSocketOption(fd: number, option: { level: number; name: number; value: number }): void {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(option.value, 0);
  check("setsockopt", `option ${option.level}/${option.name}`, fd, option.level, option.name, bytes, 4);
}

/** Where a redirected IPv4 connection wanted to go (SO_ORIGINAL_DST). */
export function originalDestination(fd: number): { address: string; port: number } {
  const bytes = Buffer.alloc(16);
  const length = Buffer.alloc(4);
  length.writeInt32LE(bytes.length, 0);
  check("getsockopt", "SO_ORIGINAL_DST", fd, SocketOption.solIp, SocketOption.originalDestination, bytes, length);
  return { address: bytes.subarray(4, 8).join("."), port: bytes.readUInt16BE(2) };
}

/** ioctl(2) with a structure. */
export function ioctl(fd: number, request: number, structure: Buffer): void {
  check("ioctl", `0x${request.toString(16)}`, fd, request, structure);
}

/** A pipe with both ends close-on-exec: [read end, write end]. */
export function openPipe(): { read: number; write: number } {
  const ends = Buffer.alloc(8);
  check("pipe2", "", ends, 0o2000000);
  return { read: ends.readInt32LE(0), write: ends.readInt32LE(4) };
}
