// Set-up steps for the operating system: nft, ip and util-linux, then the right to make namespaces. Input: PATH, the kernel; output: nothing kept.
import { programOf, runCommand } from "./command.mjs";
import { EXIT, failureKindOf, failureOf, SetupFailure } from "./failure.mjs";

const PACKAGES = { nft: "nftables", ip: "iproute2", setpriv: "util-linux", unshare: "util-linux", nsenter: "util-linux", mount: "mount" };
const APT_OPTIONS = ["-y", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=120"];

const missingTools = () => Object.keys(PACKAGES).filter((name) => programOf(name) === undefined);
const packagesOf = (tools) => [...new Set(tools.map((name) => PACKAGES[name]))].sort();
const isRoot = () => process.getuid?.() === 0;

/** The failure for programs that are missing and cannot be installed from here. */
export function toolsFailureOf({ tools, hasApt }) {
  const packages = packagesOf(tools).join(" ");
  const command = hasApt
    ? `sudo apt-get update && sudo apt-get install -y ${packages}`
    : `install the packages ${packages} with your system's package manager`;
  const message = `${tools.length === 1 ? "The program" : "The programs"} ${tools.join(", ")} ${tools.length === 1 ? "is" : "are"} missing.`;
  return new SetupFailure({ kind: "tools", message, fix: hasApt ? `Run: ${command}` : `Please ${command}.` });
}

async function installTools(step) {
  const tools = missingTools();
  const apt = programOf("apt-get");
  if (apt === undefined || !isRoot()) throw toolsFailureOf({ tools, hasApt: apt !== undefined });
  const packages = packagesOf(tools);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const install = () => runCommand(apt, ["install", ...APT_OPTIONS, ...packages], { env });
  let result = await install();
  if (!result.ok && ["not-found", "refused", "unknown", "network"].includes(failureKindOf(result.output))) {
    step.update("package lists");
    const update = await runCommand(apt, ["update"], { env });
    if (!update.ok) throw failureOf({ tool: "apt-get", what: "its package lists", where: "/var/lib/apt", output: update.output });
    result = await install();
  }
  if (!result.ok) throw failureOf({ tool: "apt-get", what: packages.join(" "), where: "/var", output: result.output });
  const still = missingTools();
  if (still.length > 0) throw toolsFailureOf({ tools: still, hasApt: true });
  return packages.join(" ");
}

/** What `lateen up` does to get a private network, with nftables in it: the program and its arguments. */
function probeCommand() {
  const user = isRoot() ? [] : ["-U", "-r"];
  const namespaces = ["-n", "-m", "-p", "-f", "--kill-child", "--mount-proc"];
  return [
    "unshare",
    [
      ...user,
      ...namespaces,
      programOf("nft") ?? "nft",
      "add table ip lateen; add chain ip lateen out { type nat hook output priority -100; }; add rule ip lateen out meta l4proto tcp redirect to :15001",
    ],
  ];
}

/** The failure that the probe's output means: namespaces, the proc mount, or nftables. */
export function namespaceFailureOf({ output, root }) {
  const line = output.trim().split("\n")[0] || "no message";
  if (/^unshare: mount .*proc/.test(line)) {
    const message = `This ${root ? "system" : "user"} may make namespaces but not mount /proc in them (${line}).`;
    return new SetupFailure({
      kind: "proc",
      message,
      fix: "In a container, start it with an unmasked /proc (docker run --security-opt systempaths=unconfined) or --privileged.",
    });
  }
  if (/^unshare:/.test(line)) {
    const message = `${root ? "Root" : "This user"} may not make the namespaces that pods run in (${line}).`;
    const fix = root
      ? "In a container, give it CAP_SYS_ADMIN and CAP_NET_ADMIN (docker run --privileged)."
      : "Run it as root, or allow user namespaces: sysctl user.max_user_namespaces > 0, kernel.unprivileged_userns_clone = 1, kernel.apparmor_restrict_unprivileged_userns = 0.";
    return new SetupFailure({ kind: "namespaces", message, fix });
  }
  const message = `nftables does not work in a new network namespace (${line}).`;
  return new SetupFailure({
    kind: "nftables",
    message,
    fix: "Use a kernel with nf_tables and nft_nat (as root: modprobe -a nf_tables nft_chain_nat nft_redir).",
  });
}

async function checkNamespaces() {
  const { ok, output } = await runCommand(...probeCommand());
  if (!ok) throw namespaceFailureOf({ output, root: isRoot() });
}

function isLinux() {
  if (process.platform === "linux") return true;
  const message = "The local runtime needs Linux: network namespaces and nftables.";
  throw new SetupFailure({ kind: "platform", message, fix: "Run it on Linux, for instance in a virtual machine.", exitCode: EXIT.config });
}

/** The step that installs missing programs: {id, title, isFresh, run}. */
export const toolsStep = {
  id: "tools",
  title: "system programs",
  isFresh: () => isLinux() && missingTools().length === 0,
  run: installTools,
};

/** The check that pods can run here; it costs 5 ms, so each start makes it. */
export const namespaceCheck = { id: "namespaces", check: checkNamespaces };
