// Ports of workloads for which Services declare different protocols: a proxy can only speak one there.

import type { Diagnostic } from "../api/diagnostic.ts";
import { diagnosticOf } from "../api/finding.ts";
import type { PortProtocol } from "../model/mesh.ts";
import { type Directory, nameOf } from "./directory.ts";
import { type PortDeclaration, type Subject, type SubjectPort, subjectsOf } from "./security/subjects.ts";

/** Each younger Service whose declaration doesn't count, once per port of it. */
export function checkPortProtocols({ snapshot }: Directory): readonly Diagnostic[] {
  const found = subjectsOf(snapshot)
    .filter(({ proxy }) => proxy === "sidecar")
    .flatMap((subject) => subject.ports.flatMap((port) => conflicts(subject, port)));
  return [...new Map(found.map((diagnostic) => [`${diagnostic.resource} ${diagnostic.path}`, diagnostic])).values()];
}

function conflicts({ name }: Subject, { port, declarations }: SubjectPort): readonly Diagnostic[] {
  const [first, ...others] = declarations;
  if (first === undefined) return [];
  const counts = nameOf("Service", first.service.metadata);
  return (
    others
      // Who declares nothing is content with whatever counts.
      .filter(({ protocol }) => protocol !== "detect" && actsAs(protocol) !== actsAs(first.protocol))
      .map((other) => {
        const own = nameOf("Service", other.service.metadata);
        const message = `port ${port} of ${name}: ${own} declares ${wordOf(other)}, ${counts} comes first and declares ${wordOf(first)}, so its proxy expects that`;
        return diagnosticOf({ code: "LTN0718", path: ["spec", "ports", other.index], message }, own);
      })
  );
}

/** What the pod's proxy makes of a declaration: gRPC is HTTP/2 to it, and TLS that it doesn't end is TCP. */
function actsAs(protocol: PortProtocol): PortProtocol {
  if (protocol === "grpc") return "http2";
  return protocol === "tls" || protocol === "https" ? "tcp" : protocol;
}

const words: Partial<Record<PortProtocol, string>> = { detect: "no protocol" };

function wordOf({ protocol }: PortDeclaration): string {
  return words[protocol] ?? protocol;
}
