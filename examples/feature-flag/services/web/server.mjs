// The front end: asks OpenFeature for the flag, shows one of two pages, and calls checkout. It passes `baggage` on, which carries who the user is, as
// it would pass tracing headers on.
import { createServer } from "node:http";
import { OFREPProvider } from "@openfeature/ofrep-provider";
import { OpenFeature } from "@openfeature/server-sdk";

// Lateen sets OFREP_ENDPOINT in every container.
await OpenFeature.setProviderAndWait(new OFREPProvider({ baseUrl: process.env.OFREP_ENDPOINT ?? "" }));
const flags = OpenFeature.getClient();

/** Headers that go on to further services. */
const passed = ["baggage", "traceparent", "tracestate", "x-tester", "x-flag-new-checkout"];

createServer(async (request, response) => {
  if (request.url === "/healthz") return response.end();
  try {
    const headers = Object.fromEntries(passed.flatMap((name) => (name in request.headers ? [[name, request.headers[name]]] : [])));
    const details = await flags.getBooleanDetails("new-checkout", false, { headers });
    const checkout = await (await fetch("http://checkout/", { headers })).json();
    const { value, variant, reason, errorCode } = details;
    const page = value ? "one page checkout" : "checkout in three steps";
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ page, value, variant, reason, errorCode, checkout }));
  } catch (error) {
    response.statusCode = 502;
    response.end(String(error));
  }
}).listen(8080);
