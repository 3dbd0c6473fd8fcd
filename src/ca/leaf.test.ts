import { execFileSync, spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MeshError } from "../lib/errors.ts";
import { issuerOf, readCaCertificate } from "./ca-certificate.ts";
import { caName, emptyName, tbsCertificate } from "./certificate.ts";
import { readCertificate } from "./der-reader.ts";
import { generateKey } from "./keys.ts";
import { type CaCertificate, issueLeaf, makeIntermediate, makeRoot, maxLifetimeMs } from "./leaf.ts";
import { parseSpiffeId } from "./spiffe-id.ts";
import { mutualTls, temporaryDirectory, testSurroundings } from "./testing/world.ts";
import { parseWorkloadDnsName } from "./workload-name.ts";

const dayMs = 86_400_000;
const trustDomain = "cluster.local";
const id = { trustDomain, namespace: "shop", serviceAccount: "web" };
const surroundings = testSurroundings();
const root = makeRoot({ trustDomain, lifetimeMs: 3650 * dayMs }, surroundings);
const intermediate = makeIntermediate(asIssuer(root, ""), { trustDomain, lifetimeMs: 365 * dayMs }, surroundings);
const issuer = asIssuer(intermediate, intermediate.certificatePem);

function asIssuer({ certificatePem, keyPem }: CaCertificate, chainPem: string) {
  return issuerOf(readCaCertificate(certificatePem, "the CA"), keyPem, { where: "the key", chainPem, root: "root" });
}

function issue(request: Partial<Parameters<typeof issueLeaf>[1]> = {}) {
  return issueLeaf(issuer, { id, workload: { name: "web", version: "v1" }, lifetimeMs: dayMs, ...request }, surroundings);
}

const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

describe("a workload's certificate", () => {
  it("holds exactly the caller's names, as node:crypto reads it", () => {
    const leaf = issue();
    const x509 = new X509Certificate(leaf.chainPem);
    expect(x509.subjectAltName).toBe("URI:spiffe://cluster.local/ns/shop/sa/web, DNS:v1.web.shop.workload.lateen");
    expect(x509.subject).toBeUndefined();
    expect(x509.ca).toBe(false);
    expect(x509.keyUsage).toEqual(["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    expect(x509.publicKey.asymmetricKeyDetails?.namedCurve).toBe("prime256v1");
    expect(x509.serialNumber.toLowerCase()).toBe(leaf.serial);
    expect(leaf.serial).toMatch(/^[4-7][0-9a-f]{31}$/);
    expect(readCertificate(x509.raw)?.maySignCertificates).toBe(false);
  });

  it("leads to the root", () => {
    const [leaf, middle, top] = [issue().chainPem, intermediate.certificatePem, root.certificatePem].map((pem) => new X509Certificate(pem));
    expect(leaf && middle && leaf.checkIssued(middle) && leaf.verify(middle.publicKey)).toBe(true);
    expect(middle && top && middle.checkIssued(top) && middle.verify(top.publicKey)).toBe(true);
    expect(top?.verify(top.publicKey) && top.ca && middle?.ca).toBe(true);
  });

  it("is valid from two minutes ago for its lifetime, in whole seconds", () => {
    const leaf = issue({ lifetimeMs: 10_500 });
    const x509 = new X509Certificate(leaf.chainPem);
    expect(x509.validFromDate.getTime()).toBe(leaf.notBeforeMs);
    expect(x509.validToDate.getTime()).toBe(leaf.notAfterMs);
    expect(leaf.notBeforeMs).toBe(Math.floor(surroundings.nowMs / 1000 - 120) * 1000);
    expect(leaf.notAfterMs).toBe(Math.floor((surroundings.nowMs + 10_500) / 1000) * 1000);
  });

  it("never outlives its issuer", () => {
    const short = makeIntermediate(asIssuer(root, ""), { trustDomain, lifetimeMs: 5000 }, surroundings);
    const leaf = issueLeaf(asIssuer(short, ""), { id, lifetimeMs: dayMs }, surroundings);
    expect(leaf.notAfterMs).toBe(new X509Certificate(short.certificatePem).validToDate.getTime());
    expect(leaf.dnsName).toBeUndefined();
    const later = testSurroundings(surroundings.nowMs + 6000);
    expect(() => issueLeaf(asIssuer(short, ""), { id, lifetimeMs: dayMs }, later)).toThrow(/expired at/);
    const earlier = testSurroundings(surroundings.nowMs - 3 * dayMs);
    expect(() => issueLeaf(issuer, { id, lifetimeMs: dayMs }, earlier)).toThrow(/valid only from/);
  });

  it("can be made after the clock was set back by a day", () => {
    const earlier = testSurroundings(surroundings.nowMs - 25 * 3_600_000);
    const leaf = issueLeaf(issuer, { id, lifetimeMs: dayMs }, earlier);
    expect(leaf.notBeforeMs).toBeLessThan(earlier.nowMs);
  });

  it.each([0, -1, 999, Number.NaN, Number.POSITIVE_INFINITY, maxLifetimeMs + 1])("can't live %d ms", (lifetimeMs) => {
    expect(() => issue({ lifetimeMs })).toThrow(MeshError);
  });

  it("is the same to the byte for the same key, time and random bytes", () => {
    const key = generateKey();
    const make = () =>
      tbsCertificate({
        serial: testSurroundings(0, 7).randomBytes(16),
        issuer: caName("a", "b"),
        subject: emptyName,
        notBeforeMs: 0,
        notAfterMs: dayMs,
        publicKey: key.publicKey,
        subjectKeyId: key.keyId,
        authorityKeyId: undefined,
        signatureAlgorithm: issuer.algorithm.identifier,
        profile: { kind: "workload", uri: "spiffe://a/ns/b/sa/c", dnsNames: [] },
      });
    expect(Buffer.from(make())).toEqual(Buffer.from(make()));
    const [one, two] = [1, 2].map(() => issueLeaf(issuer, { id, lifetimeMs: dayMs }, testSurroundings(surroundings.nowMs, 9)));
    expect(one?.serial).toBe(two?.serial);
    expect(one?.keyPem).not.toBe(two?.keyPem);
  });

  it("is for the asked identity or for nobody", () => {
    const odd = fc.string({ unit: fc.constantFrom(..."ab1-.*+?[](){}\\|^$/:@%#_,= \n\0é", "DNS:", "URI:", "spiffe://"), maxLength: 10 });
    fc.assert(
      fc.property(odd, odd, odd, odd, (namespace, serviceAccount, name, version) => {
        const wanted = { trustDomain, namespace, serviceAccount };
        let pem: string;
        try {
          pem = issueLeaf(issuer, { id: wanted, workload: { name, version }, lifetimeMs: dayMs }, surroundings).chainPem;
        } catch (error) {
          expect(error).toBeInstanceOf(MeshError);
          return;
        }
        const [uri = "", dns = "", ...more] = (new X509Certificate(pem).subjectAltName ?? "").split(", ");
        expect(more).toEqual([]);
        expect(parseSpiffeId(uri.replace(/^URI:/, ""))).toEqual(wanted);
        expect(parseWorkloadDnsName(dns.replace(/^DNS:/, ""))).toEqual({ version, workload: name, namespace });
      }),
      { seed: 4, numRuns: 1500 },
    );
  });

  // A second opinion where there is one; every certificate is read by node:crypto too.
  it.each(hasOpenssl ? ["openssl"] : [])("passes the strict verification of %s for both sides of TLS", () => {
    using directory = temporaryDirectory();
    mkdirSync(directory.path);
    const write = (name: string, text: string) => {
      writeFileSync(join(directory.path, name), text);
      return join(directory.path, name);
    };
    const [top, middle, leaf] = [
      write("root", root.certificatePem),
      write("middle", intermediate.certificatePem),
      write("leaf", issue().chainPem),
    ];
    for (const purpose of ["sslclient", "sslserver"]) {
      const args = ["verify", "-x509_strict", "-purpose", purpose, "-CAfile", top ?? "", "-untrusted", middle ?? "", leaf ?? ""];
      expect(execFileSync("openssl", args, { encoding: "utf8" })).toContain(": OK");
    }
    const printed = execFileSync("openssl", ["x509", "-noout", "-text", "-in", leaf ?? ""], { encoding: "utf8" });
    expect(printed).toMatch(/Key Usage: critical\s+Digital Signature\n/);
    expect(printed).toMatch(/Basic Constraints: critical\s+CA:FALSE/);
    expect(printed).toMatch(/Subject Alternative Name: critical/);
  });
});

describe("mutual TLS", () => {
  const bundlePem = root.certificatePem;
  const side = (serviceAccount: string) => ({ ...issue({ id: { ...id, serviceAccount }, workload: undefined }), bundlePem });

  it("shows each side who the other is", async () => {
    expect(await mutualTls(side("web"), side("cart"))).toEqual({
      clientSaw: "URI:spiffe://cluster.local/ns/shop/sa/cart",
      serverSaw: "URI:spiffe://cluster.local/ns/shop/sa/web",
    });
  });

  it("refuses a CA below the intermediate", async () => {
    const below = makeIntermediate(issuer, { trustDomain, lifetimeMs: dayMs }, surroundings);
    const leaf = issueLeaf(asIssuer(below, below.certificatePem + intermediate.certificatePem), { id, lifetimeMs: dayMs }, surroundings);
    await expect(mutualTls(side("web"), { ...leaf, bundlePem })).rejects.toMatchObject({ code: "PATH_LENGTH_EXCEEDED" });
  });

  it("refuses another root's, an expired, a not yet valid certificate, and a CA made of a leaf", async () => {
    const otherRoot = makeRoot({ trustDomain, lifetimeMs: dayMs }, surroundings);
    const foreign = issueLeaf(asIssuer(otherRoot, ""), { id, lifetimeMs: dayMs }, surroundings);
    const at = (shiftMs: number) => issueLeaf(issuer, { id, lifetimeMs: 1000 }, testSurroundings(Date.now() + shiftMs));
    const leaf = issue();
    const { subject, keyId } = asIssuer(intermediate, "");
    const forged = issueLeaf(
      { ...asIssuer(otherRoot, ""), subject, keyId, chainPem: intermediate.certificatePem },
      { id, lifetimeMs: dayMs },
      surroundings,
    );
    expect(() =>
      asIssuer({ certificatePem: `${leaf.chainPem.split("-----END")[0]}-----END CERTIFICATE-----`, keyPem: leaf.keyPem }, ""),
    ).toThrow(/may not sign/);
    const refused = [
      [foreign, "UNABLE_TO_VERIFY_LEAF_SIGNATURE"],
      [at(-60_000), "CERT_HAS_EXPIRED"],
      [at(3_600_000), "CERT_NOT_YET_VALID"],
      [forged, "CERT_SIGNATURE_FAILURE"],
    ] as const;
    for (const [certificate, code] of refused) {
      await expect(mutualTls(side("web"), { ...certificate, bundlePem })).rejects.toMatchObject({ code });
      await expect(mutualTls({ ...certificate, bundlePem }, side("cart"))).rejects.toMatchObject({ code });
    }
  });
});
