import { describe, expect, test } from "vitest";
import { testAuthority } from "../../test/harness/test-identities.ts";
import { printPem, splitBlocks } from "./pem.ts";
import type { Reading, ServerCertificate } from "./tls-credential.ts";
import { expiryNotice, isForHost, readServerCertificate, readTrustedCas, timeProblem } from "./tls-credential.ts";

const authority = testAuthority();
const uri = "spiffe://test/server";
const good = authority.issue({ uri, dnsNames: ["a.example.com", "*.b.example.com"] });
const other = authority.issue({ uri });
const dayMs = 86_400_000;

function read(chain: string, key: string): Reading<ServerCertificate> {
  return readServerCertificate({ where: "tls.crt", text: chain }, { where: "tls.key", text: key });
}

function problemOf(reading: Reading<unknown>): string | undefined {
  return "problem" in reading ? reading.problem.message : undefined;
}

function readOf<Value>(reading: Reading<Value>): Value {
  if ("problem" in reading) throw new Error(reading.problem.message);
  return reading.value;
}

const { certificatePem: crt, keyPem: key } = good;
const locked = key.replaceAll("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
const legacyLocked =
  "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
const weak = authority.issue({ uri, key: "weak-rsa" });
const edwards = authority.issue({ uri, key: "ed25519" });

describe("certificates that can't be served", () => {
  const cases: readonly (readonly [name: string, chain: string, key: string, problem: string])[] = [
    ["nothing", "", key, "tls.crt holds no PEM certificate"],
    ["junk", "\0\uffff junk", key, "tls.crt holds no PEM certificate"],
    ["base64 twice", Buffer.from(crt).toString("base64"), key, "tls.crt holds no PEM certificate: it is base64 twice"],
    ["the two exchanged", key, crt, "tls.crt holds no PEM certificate"],
    ["cut off", crt.slice(0, -40), key, "tls.crt holds no PEM certificate"],
    ["cut off in the second", crt + authority.certificatePem.slice(0, -40), key, "tls.crt ends in the middle of a certificate"],
    ["damaged", crt.replace(/^M../m, "AAA"), key, "certificate 1 of tls.crt can't be read"],
    ["no key", crt, "", "tls.key holds no PEM private key"],
    ["a locked key", crt, locked, "tls.key is locked by a passphrase"],
    ["a key locked the old way", crt, legacyLocked, "tls.key is locked by a passphrase"],
    ["a damaged key", crt, key.replace(/^M../m, "AAA"), "tls.key can't be read as a private key"],
    ["another's key", crt, other.keyPem, "the key in tls.key does not belong to the certificate in tls.crt"],
    ["issuer first", authority.certificatePem + crt, key, "the key in tls.key belongs to certificate 2 of tls.crt, not to the first"],
    ["a short RSA key", weak.certificatePem, weak.keyPem, "tls.key is an RSA key of 1024 bits, which Envoy refuses"],
    ["Ed25519", edwards.certificatePem, edwards.keyPem, "tls.key is a key of type ed25519, which Envoy refuses"],
  ];
  test.each(cases)("%s", (_name, chain, keyText, problem) => {
    const reading = read(chain, keyText);
    expect(problemOf(reading)).toBe(problem);
    // Nothing of the key is ever repeated.
    const secret = key.split("\n")[1] ?? "";
    expect(JSON.stringify(reading)).not.toContain(secret);
  });
});

test("damage anywhere in a private key is found", () => {
  const rsa = authority.issue({ uri, key: "rsa" });
  for (const pair of [good, rsa]) {
    const der = Buffer.from(pair.keyPem.replace(/-----.*-----|\n/g, ""), "base64");
    for (let at = 30; at < der.length; at += Math.ceil(der.length / 40)) {
      const damaged = Buffer.from(der);
      damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
      const keyPem = `-----BEGIN PRIVATE KEY-----\n${damaged.toString("base64")}\n-----END PRIVATE KEY-----\n`;
      expect([at, problemOf(read(pair.certificatePem, keyPem)) ?? "taken"]).not.toContain("taken");
    }
  }
});

test("what is served is the certificates and the key, without what stands around them", () => {
  const parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
  const { chainPem, keyPem } = readOf(read(`subject=x\r\n${crt}\n${other.keyPem}${authority.certificatePem}`, parameters + key));
  expect(chainPem).toBe(crt + authority.certificatePem);
  expect(keyPem).toBe(key);
});

test("flaws: a chain in disorder", () => {
  const reading = read(crt + other.certificatePem, key);
  expect("flaws" in reading && reading.flaws.map(({ message }) => message)).toEqual([
    "certificate 2 of tls.crt is not the issuer of certificate 1",
  ]);
  expect(read(crt + authority.certificatePem, key)).toMatchObject({ flaws: [] });
});

test("a certificate is for the hosts of its alternative names", () => {
  const certificate = readOf(read(crt, key));
  const hosts = ["a.example.com", "A.example.com", "x.b.example.com", "*.b.example.com", "b.example.com", "*.example.com", "a.example.org"];
  expect(hosts.filter((host) => isForHost(certificate, host))).toEqual(hosts.slice(0, 4));
});

test("time: expired, not yet valid, about to expire", () => {
  const from = Date.UTC(2026, 0, 1);
  const long = { notBeforeMs: from, notAfterMs: from + 90 * dayMs };
  expect(timeProblem(long, "it", from - 1)?.message).toBe("it is valid only from 2026-01-01T00:00:00Z");
  expect(timeProblem(long, "it", from)).toBeUndefined();
  expect(timeProblem(long, "it", from + 90 * dayMs)?.message).toBe("it expired at 2026-04-01T00:00:00Z");
  expect(expiryNotice(long, "it", from + 75 * dayMs)).toBeUndefined();
  expect(expiryNotice(long, "it", from + 77 * dayMs)?.message).toBe("it expires in 13 days, at 2026-04-01T00:00:00Z");
  const short = { notBeforeMs: from, notAfterMs: from + dayMs };
  expect(expiryNotice(short, "it", from + dayMs / 2)).toBeUndefined();
  expect(expiryNotice(short, "it", from + 0.9 * dayMs)?.message).toBe("it expires in 2 hours, at 2026-01-02T00:00:00Z");
});

describe("CAs", () => {
  const trust = (roots: string, crl?: string) =>
    readTrustedCas({ where: "ca.crt", text: roots }, crl === undefined ? undefined : { where: "ca.crl", text: crl });

  test("several in one text, and none that is no CA without a word", () => {
    const second = testAuthority();
    expect(readOf(trust(authority.certificatePem + second.certificatePem)).rootsPem).toBe(authority.certificatePem + second.certificatePem);
    expect(trust(crt)).toMatchObject({ flaws: [{ message: "certificate 1 of ca.crt is no CA's" }] });
    expect(problemOf(trust("nonsense"))).toBe("ca.crt holds no PEM certificate");
  });

  test("a revocation list that Envoy would refuse is refused", () => {
    const list = authority.revocationList([good]);
    expect(readOf(trust(authority.certificatePem, list)).crlPem).toBe(list);
    for (const bad of ["nonsense", authority.certificatePem, list.slice(0, 100), list.replace(/^M../m, "AAA")]) {
      expect(problemOf(trust(authority.certificatePem, bad))).toBe("ca.crl holds no PEM revocation list that can be read");
    }
    const der = splitBlocks(list)[0]?.der ?? new Uint8Array();
    const forged = printPem("X509 CRL", der.with(-1, (der.at(-1) ?? 0) ^ 1));
    expect(problemOf(trust(authority.certificatePem, forged))).toBe("the signature of ca.crl is not its CA's");
  });
});
