import { spawnSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { BadInput, MeshError, UserError } from "../lib/errors.ts";
import { issuerOf, readCaCertificate } from "./ca-certificate.ts";
import { type CaCertificate, makeIntermediate, makeRoot } from "./leaf.ts";
import { openPlugInAuthority } from "./plug-in-authority.ts";
import { thrown } from "./testing/thrown.ts";
import { mutualTls, temporaryDirectory, testSurroundings } from "./testing/world.ts";

const dayMs = 86_400_000;
const trustDomain = "example.org";
const surroundings = testSurroundings();
const web = { namespace: "shop", serviceAccount: "web" };
const hasOpenssl = spawnSync("openssl", ["version"]).status === 0;

const asIssuer = ({ certificatePem, keyPem }: CaCertificate) =>
  issuerOf(readCaCertificate(certificatePem, "the CA"), keyPem, { where: "the key", chainPem: "", root: "root" });

const root = makeRoot({ trustDomain, lifetimeMs: 1000 * dayMs }, surroundings);
const other = makeRoot({ trustDomain, lifetimeMs: 1000 * dayMs }, surroundings);
const ca = makeIntermediate(asIssuer(root), { trustDomain, lifetimeMs: 100 * dayMs }, surroundings);

type Files = Readonly<Partial<Record<"ca-cert.pem" | "ca-key.pem" | "root-cert.pem" | "cert-chain.pem", string>>>;
const good: Files = {
  "ca-cert.pem": ca.certificatePem,
  "ca-key.pem": ca.keyPem,
  "root-cert.pem": root.certificatePem,
  "cert-chain.pem": ca.certificatePem + root.certificatePem,
};

function put(directory: string, files: Files): string {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text, { mode: 0o600 });
  return directory;
}

const open = (directory: string, at = surroundings) => openPlugInAuthority({ directory, trustDomain, surroundings: at });

describe("plug-in CA files", () => {
  it("sign, and send the chain without the root", async () => {
    using directory = temporaryDirectory();
    const authority = open(put(directory.path, good));
    const issued = authority.issue(web);
    expect(issued.chainPem.endsWith(ca.certificatePem)).toBe(true);
    expect(issued.chainPem.match(/BEGIN/g)).toHaveLength(2);
    expect(authority.status()).toMatchObject({ source: "plug-in", rotation: undefined });
    const side = { ...issued, bundlePem: authority.trustBundlePem() };
    expect(await mutualTls(side, side)).toMatchObject({ clientSaw: "URI:spiffe://example.org/ns/shop/sa/web" });
  });

  it("may be a root that signs itself, and may trust several roots", () => {
    using directory = temporaryDirectory();
    const files = { "ca-cert.pem": root.certificatePem, "ca-key.pem": root.keyPem, "cert-chain.pem": root.certificatePem };
    const authority = open(put(directory.path, { ...files, "root-cert.pem": other.certificatePem + root.certificatePem }));
    expect(authority.issue(web).chainPem.match(/BEGIN/g)).toHaveLength(1);
    expect(authority.status().roots).toHaveLength(2);
  });

  it.each([
    ["a key of another certificate", { "ca-key.pem": other.keyPem }, /not the key/],
    ["a key that isn't one", { "ca-key.pem": "secret words" }, /no private key/],
    ["a root that didn't sign it", { "root-cert.pem": other.certificatePem }, /leads to no root/],
    ["a damaged certificate", { "ca-cert.pem": ca.certificatePem.replace("MII", "AAA") }, /can't be read/],
    ["an empty root file", { "root-cert.pem": "" }, /holds no PEM certificate/],
    ["two CA certificates", { "ca-cert.pem": ca.certificatePem + root.certificatePem }, /exactly one/],
  ])("are refused with %s", (_, files: Files, message) => {
    using directory = temporaryDirectory();
    const error = thrown(() => open(put(directory.path, { ...good, ...files })));
    expect(error).toBeInstanceOf(BadInput);
    expect(error.message).toMatch(message);
    expect(error.message).toContain(directory.path);
    expect(error.message).not.toContain("secret");
    expect(error.fix).toBeDefined();
  });

  it("are refused when missing, expired, not yet valid, or the key is open to others", () => {
    using directory = temporaryDirectory();
    put(directory.path, good);
    expect(thrown(() => open(directory.path, testSurroundings(surroundings.nowMs + 101 * dayMs))).message).toMatch(
      /ca-cert.pem expired at/,
    );
    expect(thrown(() => open(directory.path, testSurroundings(surroundings.nowMs - 10 * dayMs))).fix).toMatch(/clock/);
    chmodSync(join(directory.path, "ca-key.pem"), 0o644);
    expect(() => open(directory.path)).toThrow(UserError);
    chmodSync(join(directory.path, "ca-key.pem"), 0o640);
    open(directory.path);
    rmSync(join(directory.path, "cert-chain.pem"));
    expect(thrown(() => open(directory.path)).message).toMatch(/cert-chain.pem can't be read: ENOENT/);
  });

  it("are refused when another key signed in the root's name", () => {
    using directory = temporaryDirectory();
    const { subject, keyId } = asIssuer(root);
    const forged = makeIntermediate({ ...asIssuer(other), subject, keyId }, { trustDomain, lifetimeMs: dayMs }, surroundings);
    const files = { "ca-cert.pem": forged.certificatePem, "ca-key.pem": forged.keyPem, "cert-chain.pem": forged.certificatePem };
    expect(thrown(() => open(put(directory.path, { ...good, ...files }))).message).toMatch(/leads to no root/);
  });

  it("never sign beyond the certificates above them", () => {
    using directory = temporaryDirectory();
    const forEver = { notAfterMs: Number.POSITIVE_INFINITY };
    const shortRoot = makeRoot({ trustDomain, lifetimeMs: 3000 }, surroundings);
    const middle = makeIntermediate({ ...asIssuer(root), ...forEver }, { trustDomain, lifetimeMs: 5000 }, surroundings);
    const end = (pem: string) => new X509Certificate(pem).validToDate.getTime();
    for (const [above, top] of [
      [middle, root],
      [shortRoot, shortRoot],
    ] as const) {
      const below = makeIntermediate({ ...asIssuer(above), ...forEver }, { trustDomain, lifetimeMs: 50 * dayMs }, surroundings);
      const chain = below.certificatePem + above.certificatePem;
      put(directory.path, {
        "ca-cert.pem": below.certificatePem,
        "ca-key.pem": below.keyPem,
        "cert-chain.pem": chain,
        "root-cert.pem": top.certificatePem,
      });
      expect(open(directory.path).issue(web).notAfterMs).toBe(end(above.certificatePem));
    }
  });

  it("are taken over when they were replaced, and only when they fit together", () => {
    using directory = temporaryDirectory();
    const authority = open(put(directory.path, good));
    expect(authority.refresh()).toBe(false);
    put(directory.path, { "ca-cert.pem": other.certificatePem });
    expect(() => authority.refresh()).toThrow(MeshError);
    expect(new X509Certificate(authority.issue(web).chainPem).checkIssued(new X509Certificate(ca.certificatePem))).toBe(true);
    put(directory.path, {
      "ca-key.pem": other.keyPem,
      "root-cert.pem": root.certificatePem + other.certificatePem,
      "cert-chain.pem": other.certificatePem,
    });
    expect(authority.refresh()).toBe(true);
    expect(new X509Certificate(authority.issue(web).chainPem).checkIssued(new X509Certificate(other.certificatePem))).toBe(true);
  });

  const keyTypes: [string, string[], RegExp | undefined][] = [
    ["RSA", ["-newkey", "rsa:2048"], undefined],
    ["P-384", ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-384"], undefined],
    ["RSA of 1024 bits", ["-newkey", "rsa:1024"], /can't sign with \(rsa 1024\)/],
    ["Ed25519", ["-newkey", "ed25519"], /can't sign with \(ed25519\)/],
  ];

  it.each(hasOpenssl ? keyTypes : [])("may hold a key that OpenSSL made: %s", async (_, keyArguments, problem) => {
    using directory = temporaryDirectory();
    put(directory.path, {});
    const [key, certificate] = ["ca-key.pem", "ca-cert.pem"].map((name) => join(directory.path, name));
    const args = [
      "req",
      "-x509",
      "-nodes",
      ...keyArguments,
      "-days",
      "2",
      "-subj",
      "/O=Ours/CN=our root",
      "-keyout",
      key ?? "",
      "-out",
      certificate ?? "",
    ];
    expect(spawnSync("openssl", args).status).toBe(0);
    const pem = readFileSync(certificate ?? "", "utf8");
    put(directory.path, { "root-cert.pem": pem, "cert-chain.pem": pem });
    if (problem !== undefined) {
      expect(thrown(() => openPlugInAuthority({ directory: directory.path, trustDomain })).message).toMatch(problem);
      return;
    }
    const authority = openPlugInAuthority({ directory: directory.path, trustDomain });
    const side = { ...authority.issue(web), bundlePem: authority.trustBundlePem() };
    await mutualTls(side, side);
  });
});
