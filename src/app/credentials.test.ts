import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { TestCertificate } from "../../test/harness/test-identities.ts";
import { testAuthority } from "../../test/harness/test-identities.ts";
import { parsed, snapshotOf, worldOf } from "../../test/harness/world.ts";
import type { Snapshot } from "../api/snapshot.ts";
import { credentialFindings } from "./credential-findings.ts";
import type { KeptCredentials } from "./credentials.ts";
import { Credentials } from "./credentials.ts";
import { readCredentials, writeCredentials } from "./credentials-file.ts";

const authority = testAuthority();
const nowMs = Date.now();
const dayMs = 86_400_000;
const issue = (days = 1) =>
  authority.issue({ uri: "spiffe://x/y", dnsNames: ["a.example.com"], validMs: { from: nowMs - 10 * dayMs, to: nowMs + days * dayMs } });
const first = issue();
const second = issue();
const expired = issue(-1);

interface SecretCase {
  readonly name?: string;
  readonly namespace?: string;
  readonly data?: Readonly<Record<string, string>>;
}

function secret({ name = "web", namespace = "edge", data = {} }: SecretCase): object {
  const encoded = Object.fromEntries(Object.entries(data).map(([key, text]) => [key, Buffer.from(text).toString("base64")]));
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, type: "kubernetes.io/tls", data: encoded };
}

const pair = ({ certificatePem, keyPem }: TestCertificate) => ({ "tls.crt": certificatePem, "tls.key": keyPem });

function gateway(tls: object, hosts = ["a.example.com"]): object {
  const server = { port: { number: 443, name: "https", protocol: "HTTPS" }, hosts, tls };
  return {
    apiVersion: "networking.istio.io/v1",
    kind: "Gateway",
    metadata: { name: "web", namespace: "apps" },
    spec: { selector: { istio: "gateway" }, servers: [server] },
  };
}

const mutual = gateway({ mode: "MUTUAL", credentialName: "web" });
const certificateName = "kubernetes://web";
const rootsName = "kubernetes://web-cacert";

function snapshot(...documents: readonly object[]): Snapshot {
  return snapshotOf(documents.map(parsed));
}

function newCredentials(kept: ReturnType<typeof readCredentials> = new Map()) {
  const log: KeptCredentials[] = [];
  return { credentials: new Credentials({ kept, onKeep: (each) => void log.push(each) }), log };
}

const chainOf = (credentials: Credentials, namespace = "edge") =>
  credentials.secretResource(namespace, certificateName)?.tlsCertificate?.certificateChain?.inlineString;
const rootsOf = (credentials: Credentials) => credentials.secretResource("edge", rootsName)?.validationContext?.trustedCa?.inlineString;

describe("what proxies get", () => {
  test("Kubernetes' and Istio's key names, CAs of the Secret or of the one beside it", () => {
    const { credentials } = newCredentials();
    const other = testAuthority();
    const own = { ...pair(first), "ca.crt": authority.certificatePem };
    expect(credentials.update(snapshot(mutual, secret({ data: own })), nowMs)).toBe(true);
    expect([chainOf(credentials), rootsOf(credentials)]).toEqual([first.certificatePem, authority.certificatePem]);
    expect([...credentials.usable]).toEqual([["edge/web", { certificate: true, roots: true }]]);
    const beside = secret({ name: "web-cacert", data: { cacert: other.certificatePem } });
    const generic = secret({ data: { cert: second.certificatePem, key: second.keyPem, "ca.crt": authority.certificatePem } });
    expect(credentials.update(snapshot(mutual, generic, beside), nowMs)).toBe(true);
    expect([chainOf(credentials), rootsOf(credentials)]).toEqual([second.certificatePem, other.certificatePem]);
  });

  test("nothing of another namespace, nothing that nobody names, nothing by another kind of name", () => {
    const { credentials } = newCredentials();
    credentials.update(snapshot(mutual, secret({ data: pair(first) }), secret({ name: "unnamed", data: pair(first) })), nowMs);
    expect(chainOf(credentials, "apps")).toBeUndefined();
    const names = ["kubernetes://unnamed", "kubernetes://edge/web", "kubernetes://../edge/web", "web", "default", "kubernetes://"];
    expect(names.filter((name) => credentials.secretResource("edge", name) !== undefined)).toEqual([]);
    expect(names.filter((name) => credentials.secretResource("apps", name) !== undefined)).toEqual([]);
    expect([...credentials.usable.keys()]).toEqual(["edge/web"]);
  });

  test("the same objects while nothing changed", () => {
    const { credentials, log } = newCredentials();
    credentials.update(snapshot(mutual, secret({ data: pair(first) })), nowMs);
    const { usable } = credentials;
    const resource = credentials.secretResource("edge", certificateName);
    expect(credentials.update(snapshot(mutual, secret({ data: pair(first) })), nowMs)).toBe(false);
    expect(credentials.usable).toBe(usable);
    expect(credentials.secretResource("edge", certificateName)).toBe(resource);
    expect(credentials.update(snapshot(mutual, secret({ data: pair(second) })), nowMs)).toBe(true);
    expect(credentials.usable).toBe(usable);
    expect(log).toHaveLength(2);
  });
});

describe("the last good content", () => {
  test("serves while the Secret is bad, expired, not yet valid or gone, and no longer than it is named", () => {
    const { credentials } = newCredentials();
    credentials.update(snapshot(mutual, secret({ data: { ...pair(first), "ca.crt": authority.certificatePem } })), nowMs);
    const later = authority.issue({ uri: "spiffe://x/y", validMs: { from: nowMs + dayMs, to: nowMs + 3 * dayMs } });
    const bad = [pair(expired), pair(later), { ...pair(second), "tls.key": first.keyPem }, { "tls.crt": second.certificatePem }, {}];
    for (const data of bad) {
      expect(credentials.update(snapshot(mutual, secret({ data: { ...data, "ca.crt": "nonsense" } })), nowMs)).toBe(false);
      expect([chainOf(credentials), rootsOf(credentials)]).toEqual([first.certificatePem, authority.certificatePem]);
    }
    expect(credentials.update(snapshot(mutual), nowMs)).toBe(false);
    expect(chainOf(credentials)).toBe(first.certificatePem);
    // What was not valid yet is taken when its time has come.
    credentials.update(snapshot(mutual, secret({ data: pair(later) })), nowMs);
    expect(credentials.update(snapshot(mutual, secret({ data: pair(later) })), nowMs + 2 * dayMs)).toBe(true);
    expect(chainOf(credentials)).toBe(later.certificatePem);
    expect(credentials.update(snapshot(), nowMs)).toBe(true);
    expect(chainOf(credentials)).toBeUndefined();
  });

  test("an expired certificate is never taken, and one that expires while it serves stays", () => {
    const { credentials } = newCredentials();
    credentials.update(snapshot(mutual, secret({ data: pair(expired) })), nowMs);
    expect(chainOf(credentials)).toBeUndefined();
    credentials.update(snapshot(mutual, secret({ data: pair(first) })), nowMs);
    credentials.update(snapshot(mutual, secret({ data: pair(first) })), nowMs + 5 * dayMs);
    expect(chainOf(credentials)).toBe(first.certificatePem);
  });

  test("survives a restart in a file of its owner; what is in the file is read as strictly as a Secret", () => {
    const folder = mkdtempSync(join(tmpdir(), "lateen-credentials-"));
    try {
      const path = join(folder, "credentials.json");
      expect(readCredentials(path).size).toBe(0);
      writeFileSync(`${path}.new`, "left by a crash", { mode: 0o644 });
      const good = snapshot(mutual, secret({ data: { ...pair(first), "ca.crt": authority.certificatePem } }));
      new Credentials({ kept: new Map(), onKeep: (kept) => writeCredentials(path, kept) }).update(good, nowMs);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      const { credentials, log } = newCredentials(readCredentials(path));
      expect([...credentials.usable]).toEqual([["edge/web", { certificate: true, roots: true }]]);
      expect(credentials.update(snapshot(mutual, secret({ data: pair(expired) })), nowMs)).toBe(false);
      expect([chainOf(credentials), rootsOf(credentials)]).toEqual([first.certificatePem, authority.certificatePem]);
      expect(credentials.update(good, nowMs)).toBe(false);
      expect(log).toEqual([]);
      writeCredentials(path, new Map([["edge/web", { certificate: { chainPem: first.certificatePem, keyPem: second.keyPem } }]]));
      expect([...readCredentials(path)]).toEqual([["edge/web", { certificate: undefined, roots: undefined }]]);
      writeFileSync(path, "{");
      expect(readCredentials(path).size).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("what is said", () => {
  const pod = `
apiVersion: v1
kind: Pod
metadata: {name: gw, namespace: edge, labels: {istio: gateway}}
spec: {containers: [{name: istio-proxy, image: auto}]}
status: {podIP: 127.0.0.1}
`;
  const { proxies } = worldOf(pod).mesh;

  /** "LTN1001 <message>" after each step. */
  function said(...steps: readonly Snapshot[]): readonly string[] {
    const { credentials } = newCredentials();
    for (const step of steps) credentials.update(step, nowMs);
    const last = steps.at(-1) ?? snapshot();
    return credentialFindings(last, { credentials, proxies, nowMs }).map(({ code, resource, path, message }) => {
      expect([resource, path]).toEqual(["Gateway apps/web", "spec.servers[0].tls.credentialName"]);
      return `${code} ${message}`;
    });
  }
  const simple = gateway({ mode: "SIMPLE", credentialName: "web" });
  const long = authority.issue({
    uri: "spiffe://x/y",
    dnsNames: ["a.example.com"],
    validMs: { from: nowMs - dayMs, to: nowMs + 100 * dayMs },
  });

  test("nothing when all is well", () => {
    expect(said(snapshot(simple, secret({ data: pair(long) })))).toEqual([]);
    expect(said(snapshot(gateway({ mode: "ISTIO_MUTUAL" })))).toEqual([]);
    expect(said(snapshot(gateway({ mode: "PASSTHROUGH", credentialName: "web" })))).toEqual([]);
  });

  test("a missing Secret, or one of the Gateway's own namespace instead of its pods'", () => {
    const expected = ["LTN1001 Secret edge/web: there is no such Secret; this server is left out until it is there"];
    expect(said(snapshot(simple))).toEqual(expected);
    expect(said(snapshot(simple, secret({ namespace: "apps", data: pair(long) })))).toEqual(expected);
  });

  test("a bad Secret, with and without a good one before", () => {
    const bad = snapshot(simple, secret({ data: { ...pair(long), "tls.key": first.keyPem } }));
    const problem = "Secret edge/web: the key in tls.key does not belong to the certificate in tls.crt";
    expect(said(bad)).toEqual([`LTN1002 ${problem}; this server is left out until it is there`]);
    expect(said(snapshot(simple, secret({ data: pair(long) })), bad)).toEqual([`LTN1002 ${problem}; what was good before is still served`]);
  });

  test("CAs that are missing", () => {
    expect(said(snapshot(mutual, secret({ data: pair(long) })))).toEqual([
      "LTN1001 Secret edge/web: it has no CA certificate; this server is left out until it is there",
    ]);
  });

  test("an end that is near, and hosts that the certificate is not for", () => {
    const [soon, hosts] = said(
      snapshot(gateway({ mode: "SIMPLE", credentialName: "web" }, ["apps/b.example.com"]), secret({ data: pair(first) })),
    );
    expect(soon).toMatch(/^LTN1003 Secret edge\/web: its certificate expires in 2[34] hours, at /);
    expect(hosts).toBe("LTN1004 Secret edge/web: its certificate is not for b.example.com");
  });
});
