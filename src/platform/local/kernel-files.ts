// Which files of the kernel a container may not write or read, as an fstab for its own /proc: what OCI runtimes protect by default
// (runtime-spec's linux.readonlyPaths and maskedPaths as containerd fills them). Without it the container's root, who owns the network
// namespace's settings, writes /proc/sys.

import { statSync } from "node:fs";

/** Readable, not writable. */
const readOnlyPaths = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"] as const;
/** Empty. */
const maskedPaths = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/timer_list",
  "/proc/timer_stats",
] as const;

/** Lines of fstab(5) for what this kernel has, to be mounted over a fresh /proc. */
export function protectedKernelFiles(): string {
  const readOnly = readOnlyPaths.filter((path) => kindOf(path) !== undefined).map((path) => `${path} ${path} none bind,ro 0 0\n`);
  const masked = maskedPaths.flatMap((path) => {
    const kind = kindOf(path);
    if (kind === undefined) return [];
    return kind === "directory" ? [`tmpfs ${path} tmpfs ro,size=4k 0 0\n`] : [`/dev/null ${path} none bind 0 0\n`];
  });
  return [...readOnly, ...masked].join("");
}

function kindOf(path: string): "directory" | "file" | undefined {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) return undefined;
  return found.isDirectory() ? "directory" : "file";
}
