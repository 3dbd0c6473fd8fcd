// The cipher suites of TLS 1.2 and older that Envoy takes, by OpenSSL's names. TLS 1.3 has its own, which are not configurable.
// Source: Istio pkg/util/sets of security.ValidCipherSuites; each tried on Envoy 1.40.

const known: ReadonlySet<string> = new Set([
  "ECDHE-ECDSA-AES256-GCM-SHA384",
  "ECDHE-RSA-AES256-GCM-SHA384",
  "ECDHE-ECDSA-AES128-GCM-SHA256",
  "ECDHE-RSA-AES128-GCM-SHA256",
  "AES256-GCM-SHA384",
  "AES128-GCM-SHA256",
  "ECDHE-ECDSA-CHACHA20-POLY1305",
  "ECDHE-RSA-CHACHA20-POLY1305",
  "ECDHE-ECDSA-AES128-SHA",
  "ECDHE-RSA-AES128-SHA",
  "ECDHE-ECDSA-AES256-SHA",
  "ECDHE-RSA-AES256-SHA",
  "ECDHE-ECDSA-AES128-SHA256",
  "ECDHE-RSA-AES128-SHA256",
  "ECDHE-PSK-AES128-CBC-SHA",
  "ECDHE-PSK-AES256-CBC-SHA",
  "PSK-AES128-CBC-SHA",
  "PSK-AES256-CBC-SHA",
  "AES128-SHA",
  "AES256-SHA",
  "DES-CBC3-SHA",
]);

/** Whether Envoy takes the name; one that it doesn't take makes it refuse the whole listener. "[A|B]" are suites of equal preference. */
export function isCipherSuite(name: string): boolean {
  const names = name.startsWith("[") && name.endsWith("]") ? name.slice(1, -1).split("|") : [name];
  return names.every((each) => known.has(each));
}
