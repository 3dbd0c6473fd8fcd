import { decode, encode } from "dns-packet";
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeDnsReply, fitUdp, parseDnsQuery, serverFailure } from "./dns-message.ts";

const recursionDesired = 0x100;
const queryOf = (name: string, additionals: Parameters<typeof encode>[0]["additionals"] = []): Buffer =>
  encode({ type: "query", id: 4711, flags: recursionDesired, questions: [{ type: "A", name }], additionals });

test("a query is read with its name in lower case", () => {
  expect(parseDnsQuery(queryOf("Web.Shop"))).toMatchObject({ id: 4711, question: { name: "web.shop", type: "A" }, udpSizeBytes: 512 });
});

test("EDNS0 sizes the answer, within bounds", () => {
  const options = { type: "OPT" as const, name: "." as const, extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] };
  expect(parseDnsQuery(queryOf("a", [{ ...options, udpPayloadSize: 1232 }]))?.udpSizeBytes).toBe(1232);
  expect(parseDnsQuery(queryOf("a", [{ ...options, udpPayloadSize: 65_000 }]))?.udpSizeBytes).toBe(4096);
});

test("an answer repeats the question as it was spelt", () => {
  const bytes = queryOf("Web.Shop");
  const query = parseDnsQuery(bytes);
  if (query === undefined) throw new Error("not parsed");
  const reply = decode(
    encodeDnsReply(bytes, query, { responseCode: 0, answers: [{ type: "A", name: "web.shop", data: "198.19.0.1" }], additionals: [] }),
  );
  expect(reply).toMatchObject({ id: 4711, type: "response", rcode: "NOERROR", flag_aa: true, flag_ra: true, flag_rd: true });
  expect(reply.questions?.map(({ name }) => name)).toEqual(["Web.Shop"]);
  expect(reply.answers).toMatchObject([{ name: "Web.Shop", ttl: 5, data: "198.19.0.1" }]);
});

test("failures and refusals are well-formed for any question", () => {
  const bytes = queryOf("web");
  const query = parseDnsQuery(bytes);
  if (query === undefined) throw new Error("not parsed");
  expect(decode(serverFailure(bytes))).toMatchObject({ id: 4711, rcode: "SERVFAIL", questions: [{ name: "web" }], answers: [] });
  expect(decode(encodeDnsReply(bytes, query, { responseCode: 3, answers: [], additionals: [] }))).toMatchObject({ rcode: "NXDOMAIN" });
});

test("an answer too long for UDP is cut to its question, with TC", () => {
  const bytes = queryOf("web");
  const cut = decode(Buffer.from(fitUdp(bytes, Buffer.alloc(600), 512)));
  expect(cut).toMatchObject({ flag_tc: true, answers: [] });
  expect(fitUdp(bytes, Buffer.alloc(500), 512)).toHaveLength(500);
});

test("no bytes make the parser throw, and replies to parsed queries never do either", () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 80 }),
    fc.tuple(fc.nat({ max: 40 }), fc.nat({ max: 255 })).map(([position, value]) => {
      const query = queryOf("some.name.example");
      query[position % query.length] = value;
      return query;
    }),
  );
  fc.assert(
    fc.property(bytes, (message) => {
      const query = parseDnsQuery(message);
      if (query === undefined) return;
      expect(serverFailure(message).length).toBeGreaterThanOrEqual(12);
      encodeDnsReply(message, query, {
        responseCode: 0,
        answers: [{ type: "A", name: query.question.name, data: "1.2.3.4" }],
        additionals: [],
      });
    }),
    { seed: 1, numRuns: 3000 },
  );
});
