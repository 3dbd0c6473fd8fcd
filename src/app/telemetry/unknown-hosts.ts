// Hosts outside that no Service or ServiceEntry names: metrics only say that somebody called one, proxies' access logs say which. Read when edges say that
// there are any, only of those who called, only the logs' ends, and not more often than the caller keeps an answer.

import { join } from "node:path";
import type { UnknownHost } from "../../http/edges-contract.ts";
import { compare } from "../../model/visibility.ts";
import { type Blocked, openingEntries, unnamedIn } from "../egress/blocked.ts";
import { proxyContainer, readLogEnd } from "../logs/log-files.ts";

/** A proxy whose calls are looked for. */
export interface Caller {
  readonly namespace: string;
  readonly podName: string;
  readonly workload: string;
  readonly address: string;
}

/** Of one proxy's log: some hundred lines. */
const readBytes = 64 * 1024;
const maxProxies = 32;
const maxHosts = 200;

/** One row for each workload and host called since `fromMs`, the newest first. */
export function unknownHostsOf(logsDir: string, callers: readonly Caller[], fromMs: number): readonly UnknownHost[] {
  const calls = callers.slice(0, maxProxies).flatMap(({ namespace, podName, workload, address: own }) =>
    readLogEnd(join(logsDir, `${namespace}_${podName}_${proxyContainer}.log`), readBytes).flatMap(({ text, time }) => {
      const found = Date.parse(time) >= fromMs ? unnamedIn(text) : undefined;
      // A connection to the pod itself was refused to somebody else, by its own policies.
      if (found === undefined || found === "other" || found.address === own) return [];
      const { address: _, ...rest } = found;
      return [{ ...rest, namespace, workload, last: time }];
    }),
  );
  const keyOf = ({ namespace, workload, protocol, host, port, refused }: (typeof calls)[number]) =>
    JSON.stringify([namespace, workload, protocol, host, port, refused]);
  return [...Map.groupBy(calls, keyOf).values()]
    .flatMap((same) => {
      const [first] = same;
      if (first === undefined) return [];
      return [
        {
          ...first,
          count: same.length,
          last:
            same
              .map(({ last }) => last)
              .toSorted(compare)
              .at(-1) ?? first.last,
        },
      ];
    })
    .toSorted((a, b) => compare(b.last, a.last) || compare(a.host, b.host))
    .slice(0, maxHosts);
}

/** ServiceEntries that would name them. */
export function namingEntries(hosts: readonly UnknownHost[]): readonly Readonly<Record<string, unknown>>[] {
  return openingEntries(hosts.map((host): Blocked => ({ ...host, address: host.host })));
}
