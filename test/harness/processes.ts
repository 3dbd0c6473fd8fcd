// Looks at processes from outside: who descends from whom, in which namespaces, and whether it still lives.

import { readdirSync, readFileSync, readlinkSync } from "node:fs";

export interface ProcessFact {
  readonly pid: number;
  readonly startTime: string;
  readonly command: string;
  /** "net:[4026531840]"; undefined when this user may not look. */
  readonly net: string | undefined;
}

/** Every living descendant of a process, and itself. */
export function descendantsOf(root: number): readonly ProcessFact[] {
  const parents = new Map<number, number[]>();
  for (const name of readdirSync("/proc")) {
    const stat = statOf(Number(name));
    if (stat === undefined) continue;
    parents.set(stat.parent, [...(parents.get(stat.parent) ?? []), Number(name)]);
  }
  const found: number[] = [];
  const queue = [root];
  for (let pid = queue.shift(); pid !== undefined; pid = queue.shift()) {
    found.push(pid);
    queue.push(...(parents.get(pid) ?? []));
  }
  return found.map(factOf).filter((fact) => fact !== undefined);
}

/** Those of `facts` that still live. */
export function living(facts: readonly ProcessFact[]): readonly ProcessFact[] {
  return facts.filter(({ pid, startTime }) => statOf(pid)?.startTime === startTime);
}

/** Network namespaces in which any visible process is. */
export function networkNamespaces(): ReadonlySet<string> {
  const all = readdirSync("/proc").map((name) => linkOf(`/proc/${name}/ns/net`));
  return new Set(all.filter((link) => link !== undefined));
}

/** Descendants of `root` whose command line matches, outermost first. */
export function findProcesses(root: number, pattern: RegExp): readonly ProcessFact[] {
  return descendantsOf(root).filter(({ command }) => pattern.test(command));
}

function factOf(pid: number): ProcessFact | undefined {
  const stat = statOf(pid);
  if (stat === undefined) return undefined;
  return { pid, startTime: stat.startTime, command: commandOf(pid), net: linkOf(`/proc/${pid}/ns/net`) };
}

function statOf(pid: number): { readonly parent: number; readonly startTime: string } | undefined {
  if (!Number.isInteger(pid)) return undefined;
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? undefined : { parent: Number(fields[1]), startTime: fields[19] ?? "" };
  } catch {
    return undefined;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  } catch {
    return "";
  }
}

function linkOf(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch {
    return undefined;
  }
}
