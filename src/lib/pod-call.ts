// What the control plane asks the node to send to an application in a pod, and what the node says of it. Types and zod schemas; no I/O.

import { z } from "zod";

export const podCallSchema = z.strictObject({
  /** Of the application, not of a Service. */
  port: z.number().int().min(1).max(65_535),
  method: z.string().regex(/^[A-Z]{1,20}$/),
  /** With its query; printable ASCII without spaces. */
  path: z
    .string()
    .regex(/^\/[!-~]*$/)
    .max(4096),
  host: z.string().regex(/^[!-~]{1,255}$/),
  timeoutMs: z.number().int().min(1).max(60_000),
});

export type PodCall = z.output<typeof podCallSchema>;

/** The answer's status, or why there is no answer. */
export const callReplySchema = z.union([z.object({ status: z.number() }), z.object({ problem: z.string() })]);

export type CallReply = z.output<typeof callReplySchema>;
