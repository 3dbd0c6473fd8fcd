// The lines of an answer that goes on, as they come.

import type { IncomingMessage } from "node:http";
import { MeshError } from "../lib/errors.ts";

/** Longest line accepted; a longer one means that the other side is no API server. */
const maxLineLength = 16 * 1024 * 1024;

/** Whole lines until the other side ends. @throws MeshError unavailable when the connection breaks. */
export async function* linesOf(response: IncomingMessage, what: string): AsyncGenerator<string, void, undefined> {
  response.setEncoding("utf8");
  let rest = "";
  try {
    for await (const chunk of response) {
      const lines = `${rest}${String(chunk)}`.split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > maxLineLength) throw new Error(`a line of ${what} is too long`);
      for (const line of lines) yield line;
    }
  } catch (error) {
    throw new MeshError("unavailable", `${what} was interrupted`, { cause: error });
  } finally {
    response.destroy();
  }
}
