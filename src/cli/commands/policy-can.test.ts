import { describe, expect, test } from "vitest";
import { MeshError } from "../../lib/errors.ts";
import type { OptionValues } from "../command.ts";
import { questionOf } from "./policy-can.ts";

const ask = (args: readonly string[], options: OptionValues = {}) => questionOf({ args, options });

describe("questionOf", () => {
  test.each([
    [["a", "b"], {}],
    [["a", "b", "/x"], { method: "GET", path: "/x" }],
    [["a", "b", "post"], { method: "POST", path: "/" }],
    [["a", "b", "PUT", "/x?y=1"], { method: "PUT", path: "/x?y=1" }],
  ])("%j", (args, expected) => {
    const { method, path } = ask(args);
    expect({ method, path }).toEqual({ method: undefined, path: undefined, ...expected });
  });

  test("headers, claims, port and host", () => {
    expect(
      ask(["a", "b"], { header: ["X-Team: a: b", "y:1"], tokenClaims: '{"iss":"i"}', port: "http", host: "h", namespace: "shop" }),
    ).toMatchObject({
      namespace: "shop",
      port: "http",
      host: "h",
      headers: [
        ["x-team", "a: b"],
        ["y", "1"],
      ],
      claims: { iss: "i" },
    });
  });

  test.each<[readonly string[], OptionValues, RegExp]>([
    [["a", "b", "GET", "x"], {}, /"x" is no path/],
    [["a", "b", "G3T", "/x"], {}, /"G3T" is no method/],
    [["a", "b", "GET", "/x", "more"], {}, /too many words: more/],
    [["a", "b"], { header: ["no-colon"] }, /is no header/],
    [["a", "b"], { tokenClaims: "[1]" }, /is no JSON object/],
  ])("%j %j is refused", (args, options, expected) => {
    try {
      ask(args, options);
      expect.unreachable();
    } catch (error) {
      expect(MeshError.from(error)).toMatchObject({ code: "usage", message: expect.stringMatching(expected) });
    }
  });
});
