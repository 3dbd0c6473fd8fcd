import { expect, test } from "vitest";
import { type Column, fittingTable } from "./output.ts";

const columns: readonly Column<readonly string[]>[] = [
  { heading: "A", cell: ([a = ""]) => a },
  { heading: "LONG", cell: ([, b = ""]) => b, dropAt: 1 },
  { heading: "LONGER", cell: ([, , c = ""]) => c, dropAt: 2 },
];
const rows = [["a", "\u001b[32mbbbb\u001b[39m", "cccccc"]];
const headings = (isTty: boolean, width: number) => fittingTable(columns, rows, { isTty, columns: width }).split("\n")[0];

test("a narrow terminal loses columns by their number, a pipe none; colours take no room", () => {
  expect(headings(true, 80)).toBe("A   LONG   LONGER");
  expect(headings(true, 17)).toBe("A   LONG   LONGER");
  expect(headings(true, 16)).toBe("A   LONG");
  expect(headings(true, 2)).toBe("A");
  expect(headings(false, 2)).toBe("A   LONG   LONGER");
});
