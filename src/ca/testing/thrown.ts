// What a call throws, for tests.

import { MeshError } from "../../lib/errors.ts";

/** The MeshError that it throws. @throws Error when it throws none, or whatever else it throws. */
export function thrown(run: () => unknown): MeshError {
  try {
    run();
  } catch (error) {
    if (error instanceof MeshError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
