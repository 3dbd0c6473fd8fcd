// Stand-in for a rates API on the internet: HTTPS on PORT (default 443), GET /latest. It makes its key and certificate at start and
// writes the certificate to RATES_CA_FILE, which the sidecars trust. No sidecar, not part of the mesh.
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import https from "node:https";
import path from "node:path";
import { serve } from "../services/lib/service.mjs";
import { selfSigned } from "./certificate.mjs";

const NAME = process.env.RATES_NAME ?? "api.rates.example";
const CA_FILE = process.env.RATES_CA_FILE;
const RATES = { EUR: 0.92, GBP: 0.79, JPY: 151.4 };

const { certificate, key } = selfSigned(NAME);
if (CA_FILE !== undefined) {
  mkdirSync(path.dirname(CA_FILE), { recursive: true });
  writeFileSync(`${CA_FILE}.new`, certificate);
  renameSync(`${CA_FILE}.new`, CA_FILE); // whoever reads it sees all or nothing
}

const server = https.createServer({ cert: certificate, key });
server.maxRequestsPerSocket = 20; // as public APIs do; the client then meets the network's present state

serve(
  "remote",
  { "GET /latest": () => ({ base: "USD", at: new Date().toISOString(), rates: RATES }) },
  { server, port: process.env.PORT ?? 443 },
);
