// Runs one of the program's roles in this process: control plane or node, each loaded only where it runs.

import { z } from "zod";
import { controlPlaneOptionsSchema, nodeOptionsSchema } from "./roles.ts";

const roleOptionsSchema = z.discriminatedUnion("role", [controlPlaneOptionsSchema, nodeOptionsSchema]);

/** Runs the role that the JSON word describes; resolves when it has ended. */
export async function runRole(json: string): Promise<void> {
  const options = roleOptionsSchema.parse(JSON.parse(json));
  if (options.role === "control-plane") {
    const { runControlPlane } = await import("./control-plane.ts");
    return runControlPlane(options);
  }
  const { runNode } = await import("./node.ts");
  return runNode(options);
}
