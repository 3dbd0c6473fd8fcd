// Types of the test application's HTTP client for tests that send from the host.
import type { HttpResult, LoadSummary } from "./mesh.ts";

export function runHttp(command: {
  readonly url: string;
  readonly summary: true;
  readonly [option: string]: unknown;
}): Promise<LoadSummary>;
export function runHttp(command: { readonly url: string; readonly [option: string]: unknown }): Promise<readonly HttpResult[]>;
