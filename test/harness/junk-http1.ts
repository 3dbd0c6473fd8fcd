// HTTP/1 that isn't, or goes beyond every limit.

import { frame, preface } from "./http2-frames.ts";
import { type Attack, repeated, text } from "./junk.ts";

/** HTTP/1: limits, smuggling, nesting. `times` scales the floods. */
export function httpAttacks(times: number): readonly Attack[] {
  const post = (headers: string): Buffer => text(`POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nhost: x\r\n${headers}\r\n`);
  const json = "content-type: application/json\r\n";
  return [
    { name: "an endless request line", pieces: () => repeated(16 * times, () => Buffer.alloc(65_536, "a")) },
    { name: "an endless header", pieces: () => [text("GET / HTTP/1.1\r\nx: "), Buffer.alloc(1_000_000, "a")] },
    { name: "endless headers", pieces: () => [text("GET / HTTP/1.1\r\n"), ...repeated(20 * times, () => text("a: b\r\n".repeat(1000)))] },
    {
      name: "a body beyond the limit",
      pieces: () => [post(`${json}content-length: 900000000\r\n`), ...repeated(10 * times, () => Buffer.alloc(1_000_000, "["))],
    },
    {
      name: "endless chunks",
      pieces: () => [post(`${json}transfer-encoding: chunked\r\n`), ...repeated(10 * times, () => text("1\r\n[\r\n".repeat(10_000)))],
    },
    { name: "a chunk of 2^64", pieces: () => [post(`${json}transfer-encoding: chunked\r\n`), text("ffffffffffffffff\r\nx")] },
    { name: "two lengths", pieces: () => [post(`${json}content-length: 1\r\ncontent-length: 2\r\n`), text("{}")] },
    {
      name: "length and chunks",
      pieces: () => [post(`${json}content-length: 4\r\ntransfer-encoding: chunked\r\n`), text("0\r\n\r\nGET /x HTTP/1.1\r\n\r\n")],
    },
    { name: "deep JSON", pieces: () => [post(`${json}content-length: 2000000\r\n`), Buffer.alloc(2_000_000, "[")] },
    {
      name: "deep YAML",
      pieces: () => [post(`content-type: application/apply-patch+yaml\r\ncontent-length: 1000000\r\n`), Buffer.alloc(1_000_000, "[")],
    },
    { name: "NUL everywhere", pieces: () => [text("GET /\0 HTTP/1.1\r\n\0: \0\r\n\r\n")] },
    { name: "bare line feeds", pieces: () => [text("GET / HTTP/1.1\nhost: x\n\n")] },
    {
      name: "an upgrade",
      pieces: () => [text("GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"), Buffer.alloc(65_536)],
    },
    { name: "a tunnel", pieces: () => [text("CONNECT 127.0.0.1:22 HTTP/1.1\r\nhost: x\r\n\r\n")] },
    { name: "an expectation", pieces: () => [post(`${json}expect: 100-continue\r\ncontent-length: 5\r\n`)] },
    {
      name: "pipelined without reading",
      pieces: () => repeated(20 * times, () => text("GET /version HTTP/1.1\r\nhost: x\r\n\r\n".repeat(200))),
    },
    {
      name: "odd paths",
      pieces: () => [
        text(
          "GET /api/v1/namespaces/..%2f..%2f/pods/%00%ff HTTP/1.1\r\nhost: x\r\n\r\nGET //// HTTP/1.1\r\nhost: x\r\n\r\nGET /%zz HTTP/1.1\r\nhost: x\r\n\r\n",
        ),
      ],
    },
    { name: "a path of 15 KB", pieces: () => [text(`GET /api/v1/namespaces/${"a/".repeat(7500)} HTTP/1.1\r\nhost: x\r\n\r\n`)] },
    {
      name: "wishes about prototypes",
      pieces: () => [
        post(`${json}content-length: 88\r\n`),
        text('{"__proto__":{"polluted":1},"apiVersion":"v1","kind":"ConfigMap","constructor":{"a":[]}}'),
      ],
    },
    { name: "HTTP/2", pieces: () => [preface, frame(4, 0, 0)] },
  ];
}
