// The service that the flag is about: says which version it is and what the mesh told it of the flag.
import { createServer } from "node:http";

const version = process.env.VERSION ?? "";

createServer((request, response) => {
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify({ version, flag: request.headers["x-flag-new-checkout"] ?? null }));
}).listen(8080);
