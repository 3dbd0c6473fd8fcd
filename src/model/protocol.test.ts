// Protocol selection, as Istio's table says it.

import { expect, test } from "vitest";
import { declaredProtocol, servicePortProtocol } from "./protocol.ts";

test.each([
  [{ number: 80, name: "http" }, "http"],
  [{ number: 80, name: "http-web" }, "http"],
  [{ number: 80, name: "HTTP-Web" }, "http"],
  [{ number: 80, name: "httpweb" }, "detect"],
  [{ number: 80, name: "" }, "detect"],
  [{ number: 80, name: "grpc-web" }, "grpc-web"],
  [{ number: 80, name: "grpc-web-x" }, "grpc-web"],
  [{ number: 80, name: "grpc-api" }, "grpc"],
  [{ number: 80, name: "http2" }, "http2"],
  [{ number: 443, name: "https" }, "https"],
  [{ number: 443, name: "tls-db" }, "tls"],
  [{ number: 27018, name: "mongo" }, "tcp"],
  [{ number: 3306, name: "anything" }, "tcp"],
  [{ number: 3306, name: "http" }, "http"],
  [{ number: 53, name: "dns", transport: "UDP" }, "udp"],
  [{ number: 80, name: "tcp", appProtocol: "http" }, "http"],
  [{ number: 80, name: "http", appProtocol: "kubernetes.io/h2c" }, "http2"],
  [{ number: 80, name: "http", appProtocol: "kubernetes.io/ws" }, "http"],
  [{ number: 80, name: "http", appProtocol: "unheard.of" }, "http"],
  [{ number: 80, name: "constructor" }, "detect"],
] as const)("%j is %s", (port, protocol) => {
  expect(servicePortProtocol(port)).toBe(protocol);
});

test.each([
  [undefined, "tcp"],
  ["HTTP", "http"],
  ["GRPC", "grpc"],
  ["TLS", "tls"],
  ["MONGO", "tcp"],
  ["nonsense", "tcp"],
] as const)("a ServiceEntry port of protocol %s is %s", (word, protocol) => {
  expect(declaredProtocol(word)).toBe(protocol);
});
