// Writes docs/reference from the tables in src/api: `node scripts/gen-docs.mjs` (Node 24 or newer, which reads TypeScript itself).
import { mkdirSync, writeFileSync } from "node:fs";
import { referencePages } from "../src/api/reference.ts";

const folder = new URL("../docs/reference/", import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [name, text] of Object.entries(referencePages())) {
  writeFileSync(new URL(name, folder), text);
  console.log(`docs/reference/${name}`);
}
