// A real Zipkin server for tests: the jar from Maven Central, kept in the cache; needs Java 17 and Maven.

import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const version = "3.5.1";
const fileName = `zipkin-server-${version}-exec.jar`;
const downloadMs = 300_000;

/** Path of the jar. @throws Error that says what to install when it can't be fetched. */
export async function zipkinJar(): Promise<string> {
  const cache = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "lateen");
  const jar = join(cache, fileName);
  if (existsSync(jar)) return jar;
  mkdirSync(cache, { recursive: true });
  const work = mkdtempSync(join(cache, "zipkin-"));
  try {
    const plugin = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy";
    const artifact = `-Dartifact=io.zipkin:zipkin-server:${version}:jar:exec`;
    await run("mvn", ["-q", "-B", plugin, artifact, `-DoutputDirectory=${work}`, "-Dmdep.useBaseVersion=true"], { timeout: downloadMs });
    renameSync(join(work, fileName), jar);
    return jar;
  } catch (error) {
    throw new Error(`this test needs Java 17 and Maven (Debian, Ubuntu: apt-get install maven), and Maven Central: ${String(error)}`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}
