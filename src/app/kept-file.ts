// What the mesh engine keeps over restarts of the control plane: settled weights, resolved names, keys and what proxies
// accept, a small JSON file replaced as a whole.

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { z } from "zod";
import type { MtlsPhase } from "../model/mtls-phases.ts";
import type { WorkloadMtls } from "../model/policies.ts";
import type { MtlsPhases } from "../model/security.ts";
import type { Kept } from "./mesh-engine.ts";

const mode = z.enum(["DISABLE", "PERMISSIVE", "STRICT"]);
const workloadMtls = z
  .object({ mode, ports: z.array(z.tuple([z.number(), mode])) })
  .transform(({ mode: rest, ports }): WorkloadMtls => ({ mode: rest, ports: new Map(ports) }));

const phases = z.array(z.tuple([z.string(), z.object({ server: workloadMtls, client: workloadMtls })]));

const schema = z.object({
  settled: z.array(
    z.tuple([z.string(), z.object({ weights: z.array(z.number()), structure: z.string(), moving: z.boolean().optional() })]),
  ),
  resolved: z.array(z.tuple([z.string(), z.array(z.string())])),
  jwks: z.array(z.tuple([z.string(), z.string()])),
  mtls: phases,
  mtlsInFlight: phases.optional(),
});

/** What the process before this one kept; nothing when there is no readable file. */
export function readKept(path: string): Kept {
  try {
    const { settled, resolved, jwks, mtls, mtlsInFlight } = schema.parse(JSON.parse(readFileSync(path, "utf8")));
    return {
      settled: new Map(settled),
      resolved: new Map(resolved),
      jwks: new Map(jwks),
      mtls: new Map(mtls),
      mtlsInFlight: mtlsInFlight && new Map(mtlsInFlight),
    };
  } catch {
    return { settled: new Map(), resolved: new Map(), jwks: new Map(), mtls: new Map() };
  }
}

/** Replaces the file. */
export function writeKept(path: string, { settled, resolved, jwks, mtls, mtlsInFlight }: Kept): void {
  const temporary = `${path}.new`;
  const text = {
    settled: [...settled],
    resolved: [...resolved],
    jwks: [...jwks],
    mtls: printedPhases(mtls),
    mtlsInFlight: mtlsInFlight && printedPhases(mtlsInFlight),
  };
  writeFileSync(temporary, JSON.stringify(text), { mode: 0o600 });
  renameSync(temporary, path);
}

function printedPhases(all: MtlsPhases) {
  return [...all].map(([id, phase]) => [id, printed(phase)]);
}

function printed({ server, client }: MtlsPhase) {
  return { server: { ...server, ports: [...server.ports] }, client: { ...client, ports: [...client.ports] } };
}
