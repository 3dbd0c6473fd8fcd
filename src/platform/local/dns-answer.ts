// What the mesh's DNS says: question + table of names -> records, or "ask the host's resolver". Pure.

import { isIPv4, isIPv6 } from "node:net";
import { type DnsQuestion, type DnsRecord, type DnsReply, ResponseCode } from "./dns-message.ts";

/** One name with its addresses. */
export interface DnsHost {
  /** Full name, or `*.suffix`; case and a trailing dot don't matter. */
  readonly host: string;
  /** IPv4 (IPv6 allowed); a headless service has its pods' addresses. */
  readonly addresses: readonly string[];
  /** Named ports, for SRV `_name._protocol.host`. */
  readonly ports?: readonly { readonly name: string; readonly protocol: "tcp" | "udp"; readonly port: number }[];
  /** The namespaces that may know it; missing: all. Of several hosts with one name, one for certain namespaces goes before one for all. */
  readonly namespaces?: readonly string[];
}

/** The hosts, arranged for look-up; of each name those limited to namespaces first. */
export interface DnsTable {
  readonly exact: ReadonlyMap<string, readonly DnsHost[]>;
  /** By suffix without `*.`. */
  readonly wildcards: ReadonlyMap<string, readonly DnsHost[]>;
  readonly byAddress: ReadonlyMap<string, readonly DnsHost[]>;
}

/** The zone that only the mesh answers for. */
export const clusterDomain = "cluster.local";

/** The search list of a pod, as Kubernetes writes it into resolv.conf. */
export function searchDomains(namespace: string): readonly string[] {
  return [`${namespace}.svc.${clusterDomain}`, `svc.${clusterDomain}`, clusterDomain];
}

const plainName = (host: string): string => host.toLowerCase().replace(/\.$/, "");

/** Hosts -> table; of two hosts with one name for the same namespaces the first counts. */
export function dnsTableOf(hosts: readonly DnsHost[]): DnsTable {
  const exact = new Map<string, DnsHost[]>();
  const wildcards = new Map<string, DnsHost[]>();
  const byAddress = new Map<string, DnsHost[]>();
  const limitedFirst = hosts.toSorted((a, b) => Number(a.namespaces === undefined) - Number(b.namespaces === undefined));
  for (const host of limitedFirst) {
    const name = plainName(host.host);
    if (name.startsWith("*.")) add(wildcards, name.slice(2), host);
    else {
      add(exact, name, host);
      for (const address of host.addresses) add(byAddress, address, host);
    }
  }
  return { exact, wildcards, byAddress };
}

function add(table: Map<string, DnsHost[]>, key: string, host: DnsHost): void {
  const known = table.get(key);
  if (known === undefined) table.set(key, [host]);
  else known.push(host);
}

/** The first that a namespace may know. */
function visible(hosts: readonly DnsHost[] | undefined, namespace: string): DnsHost | undefined {
  return hosts?.find(({ namespaces }) => namespaces === undefined || namespaces.includes(namespace));
}

function wildcardOf(table: DnsTable, name: string, namespace: string): DnsHost | undefined {
  let suffix = name;
  for (let dot = suffix.indexOf("."); dot >= 0; dot = suffix.indexOf(".")) {
    suffix = suffix.slice(dot + 1);
    const found = visible(table.wildcards.get(suffix), namespace);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The host that a name means for a pod of `namespace`: as it stands, by the search list, then by wildcard. */
function hostOf(table: DnsTable, name: string, namespace: string): DnsHost | undefined {
  const candidates = [name, ...searchDomains(namespace).map((domain) => `${name}.${domain}`)];
  for (const candidate of candidates) {
    const found = visible(table.exact.get(candidate), namespace);
    if (found !== undefined) return found;
  }
  return wildcardOf(table, name, namespace);
}

const reply = (responseCode: number, answers: readonly DnsRecord[] = [], additionals: readonly DnsRecord[] = []): DnsReply => ({
  responseCode,
  answers,
  additionals,
});

function addressRecords(name: string, host: DnsHost, type: string): readonly DnsRecord[] {
  const records: DnsRecord[] = [];
  for (const data of host.addresses) {
    if (isIPv4(data) && (type === "A" || type === "ANY")) records.push({ type: "A", name, data });
    if (isIPv6(data) && (type === "AAAA" || type === "ANY")) records.push({ type: "AAAA", name, data });
  }
  return records;
}

/** `4.3.2.1.in-addr.arpa` -> `1.2.3.4`. */
function reverseAddress(name: string): string | undefined {
  const suffix = ".in-addr.arpa";
  if (!name.endsWith(suffix)) return undefined;
  const address = name.slice(0, -suffix.length).split(".").reverse().join(".");
  return isIPv4(address) ? address : undefined;
}

const isFabricAddress = (address: string): boolean => /^(198\.1[89]|240\.240)\./.test(address);

function pointerReply(
  table: DnsTable,
  question: { readonly name: string; readonly address: string },
  namespace: string,
): DnsReply | undefined {
  const { name, address } = question;
  const hosts = (table.byAddress.get(address) ?? []).filter((host) => visible([host], namespace) !== undefined);
  const names = new Set(hosts.map(({ host }) => plainName(host)));
  const answers = [...names].map((data): DnsRecord => ({ type: "PTR", name, data }));
  if (answers.length > 0) return reply(ResponseCode.noError, answers);
  return isFabricAddress(address) ? reply(ResponseCode.nameError) : undefined;
}

function serviceReply(table: DnsTable, question: DnsQuestion, namespace: string): DnsReply | undefined {
  const [portLabel, protocolLabel, ...rest] = question.name.split(".");
  if (!portLabel?.startsWith("_") || !protocolLabel?.startsWith("_")) return undefined;
  const host = hostOf(table, rest.join("."), namespace);
  if (host === undefined) return undefined;
  const port = host.ports?.find(({ name, protocol }) => `_${name}` === portLabel && `_${protocol}` === protocolLabel);
  if (port === undefined) return reply(ResponseCode.nameError);
  const target = plainName(host.host);
  const answers: readonly DnsRecord[] =
    question.type === "SRV" || question.type === "ANY" ? [{ type: "SRV", name: question.name, target, port: port.port }] : [];
  return reply(ResponseCode.noError, answers, addressRecords(target, host, "ANY"));
}

/** Names that no outside resolver can know: our zone, and single labels. */
function isOurs(name: string): boolean {
  return name === clusterDomain || name.endsWith(`.${clusterDomain}`) || (!name.includes(".") && name !== "");
}

/** The answer for a pod of `namespace`; undefined = the mesh doesn't know the name, ask the host's resolver. */
export function decideDnsReply(table: DnsTable, question: DnsQuestion, namespace: string): DnsReply | undefined {
  const address = reverseAddress(question.name);
  if (address !== undefined) return pointerReply(table, { name: question.name, address }, namespace);
  const service = serviceReply(table, question, namespace);
  if (service !== undefined) return service;
  const host = hostOf(table, question.name, namespace);
  // A known name without records of this type is NOERROR and empty: musl takes NXDOMAIN as "no such name" even when the A answer is there.
  if (host !== undefined) return reply(ResponseCode.noError, addressRecords(question.name, host, question.type));
  if (question.name === "localhost")
    return reply(ResponseCode.noError, question.type === "A" ? [{ type: "A", name: "localhost", data: "127.0.0.1" }] : []);
  return isOurs(question.name) ? reply(ResponseCode.nameError) : undefined;
}
