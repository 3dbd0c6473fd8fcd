// The application of release benchmarks: answers after a log-normal time; by chance it fails with its version's own status, or takes ten times as long.
import { createServer } from "node:http";
import { hostname } from "node:os";

const { VERSION = "", ERROR_PERCENT = "0", ERROR_STATUS = "500", SLOW_PERCENT = "0", MEDIAN_MS = "2" } = process.env;
/** Spread of the logarithms: in most services nine of ten answers take between half and twice the median. */
const sigma = 0.5;
const slower = 10;

const happens = (percent) => Math.random() * 100 < Number(percent);
const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

const server = createServer((request, response) => {
  request.resume();
  if (request.url === "/healthz") return response.end("ok");
  const status = happens(ERROR_PERCENT) ? Number(ERROR_STATUS) : 200;
  const ms = Number(MEDIAN_MS) * Math.exp(sigma * normal()) * (happens(SLOW_PERCENT) ? slower : 1);
  setTimeout(() => response.writeHead(status, { "x-served-by": VERSION, "x-pod": hostname() }).end(VERSION), ms);
});
server.keepAliveTimeout = 120_000;
server.listen(8080);
process.on("SIGTERM", () => {
  server.close(() => process.exit(0));
  server.closeIdleConnections();
  setTimeout(() => process.exit(0), 4000);
});
