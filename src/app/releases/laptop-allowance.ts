// From where releases' webhooks and metrics may be asked on a laptop: its own loopback, since whoever writes Releases there owns the machine, and what the
// mesh's owner allows for keys.

import { meshConfigPlace } from "../../api/mesh-config.ts";
import { type FetchAllowance, parseFetchAllowance } from "../../api/security/fetch-allowance.ts";
import type { Store } from "../../store/store.ts";
import { loopback } from "./call-address.ts";

/** Read anew at each call. */
export function laptopAllowance(store: Pick<Store, "get">): () => FetchAllowance {
  return () => {
    const configMap = store.get("ConfigMap", meshConfigPlace.namespace, meshConfigPlace.name)?.value;
    const { hosts, ranges } = parseFetchAllowance(configMap).value;
    return { hosts, ranges: [...loopback.ranges, ...ranges] };
  };
}
