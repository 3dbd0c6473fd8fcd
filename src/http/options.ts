// What the HTTP server is given by app.

import type { Logger } from "../lib/log.ts";
import type { Parser } from "../store/parser.ts";
import type { Store } from "../store/store.ts";
import type { FlagsView } from "./flags-contract.ts";
import type { MeshView } from "./mesh-view.ts";
import type { MetricsView } from "./metrics-contract.ts";
import type { ReleasesView } from "./release-contract.ts";
import type { TokenIssuing } from "./routes/token-request.ts";
import type { TapSource } from "./tap-contract.ts";
import type { StatView } from "./telemetry-contract.ts";
import type { TracesView } from "./traces-contract.ts";

export interface ApiServerOptions {
  readonly store: Store;
  readonly parser: Parser;
  readonly view: MeshView;
  readonly log: Logger;
  /** At most 107 bytes; a socket left over from a killed process is replaced. */
  readonly socketPath: string;
  /** Loopback TCP beside it, for kubectl and browsers; port 0 is any free one. */
  readonly tcp?: { readonly port: number; readonly token: string };
  /** Makes service-account tokens for TokenRequests; without it there are none. */
  readonly tokens?: TokenIssuing;
  /** Series of proxies, for the node; without it there are none. */
  readonly metrics?: Pick<MetricsView, "proxy">;
  /** The release engine; without it there are no routes of releases. */
  readonly releases?: ReleasesView;
  /** Feature flags; without it there is no OFREP. */
  readonly flags?: FlagsView;
  /** Golden numbers; without it there are none. */
  readonly stat?: StatView;
  /** Recent traces; without it there are none. */
  readonly traces?: TracesView;
  /** Requests as they happen; without it there is no tap. */
  readonly taps?: TapSource;
  /** Version told at /version, for example "0.1.0". */
  readonly version: string;
  /** Bytes a watcher may leave unread before it is cut off; default 1 MiB. */
  readonly maxUnreadBytes?: number;
  /** Between bookmarks of a watch; default 10 s. */
  readonly bookmarkMs?: number;
}

export interface AppOptions extends ApiServerOptions {
  /** Aborts when the server closes. */
  readonly signal: AbortSignal;
  /** The bearer token every request must carry; undefined on the Unix socket. */
  readonly token: string | undefined;
}
