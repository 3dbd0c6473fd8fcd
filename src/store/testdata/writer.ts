// Run by sqlite-store.test.ts and killed at any moment: writes without end and prints each revision once it is acknowledged.

import { writeSync } from "node:fs";
import { systemClock } from "../../lib/clock.ts";
import { apiParser } from "../api-parser.ts";
import { openSqliteStore } from "../sqlite-store.ts";
import { acceptedOf } from "../store.ts";

const path = process.argv[2] ?? "";
const store = openSqliteStore({ path, clock: systemClock, parser: apiParser, newUid: () => crypto.randomUUID() });
const filler = "x".repeat(3000);
for (let round = store.revision + 1; ; round += 1) {
  const name = `object-${round % 7}`;
  const raw = { apiVersion: "v1", kind: "ConfigMap", metadata: { name }, data: { round: String(round), filler } };
  const exists = store.get("ConfigMap", "default", name) !== undefined;
  const stored = acceptedOf(exists ? store.update(raw) : store.create(raw));
  writeSync(1, `${stored.revision} ${name} ${round}\n`);
}
