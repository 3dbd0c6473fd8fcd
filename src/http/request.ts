// Reading requests: path, and queries or bodies through zod.

import type { FastifyRequest } from "fastify";
import type { z } from "zod";
import { MeshError } from "../lib/errors.ts";

/** The path of a request, without its query. */
export function pathOf(request: FastifyRequest): string {
  const url = request.url;
  const query = url.indexOf("?");
  return query < 0 ? url : url.slice(0, query);
}

/** The value of a query or body. @throws MeshError bad_request that names the field. */
export function parsed<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  throw new MeshError("bad_request", `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not valid"}`);
}
