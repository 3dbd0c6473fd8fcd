// `lateen dashboard prometheus|grafana`: a Prometheus on the mesh from what the user has installed, or what to do where nothing is.

import { runFiles } from "../../app/config.ts";
import { supervisorOf } from "../../app/run-dir.ts";
import { lookForPrometheus, programIn, shippedDashboards, shippedRules, startPrometheus } from "../../app/telemetry/prometheus-process.ts";
import { grafanaDashboards, grafanaDatasource, istioDashboards, prometheusConfig } from "../../app/telemetry/prometheus-setup.ts";
import { UsageError, UserError } from "../../lib/errors.ts";
import { type CommandContext, type CommandInput, exitCode, type RunCommand, textOption } from "../command.ts";
import { connect } from "../connect.ts";

const lookMs = 1000;

export const runDashboard: RunCommand = async (input, context) => {
  const [tool] = input.args;
  if (tool === "prometheus") return prometheus(input, context);
  if (tool === "grafana") return grafana(input, context);
  throw new UsageError(`there is no dashboard "${tool}"`, { fix: "use prometheus or grafana" });
};

async function prometheus({ options }: CommandInput, context: CommandContext): Promise<number> {
  const { config, terminal, env, signal } = context;
  const metricsPort = await metricsPortOf(context);
  const text = prometheusConfig({ metricsPort, ruleFiles: shippedRules(), perPod: options["perPod"] === true });
  if (options["print"] === true) {
    terminal.out(text.trimEnd());
    return exitCode.ok;
  }
  const port = portOption(options);
  const found = await lookForPrometheus(port, `127.0.0.1:${metricsPort}`);
  if (found === "ours") {
    terminal.out(`http://127.0.0.1:${port}`);
    terminal.err("this Prometheus reads the mesh already");
    return exitCode.ok;
  }
  if (found !== "nothing") {
    const what = found === "prometheus" ? "a Prometheus that doesn't read this mesh" : "another program";
    throw new UserError(`at port ${port} is ${what}`, {
      fix: "give it the scrape_configs of `lateen dashboard prometheus --print`, or start another one with --port",
    });
  }
  const binary = programIn(env["PATH"] ?? "", "prometheus");
  if (binary === undefined) throw new UserError("no `prometheus` is installed", { fix: installFix });
  const running = await startPrometheus({ binary, folder: runFiles.prometheusDir(config.runDir), config: text, port });
  try {
    terminal.out(running.url);
    terminal.err(`Prometheus reads the mesh by ${running.configPath}; Ctrl-C ends it, and so does the mesh's end`);
    await Promise.race([running.ended, aborted(signal), meshGone(context)]);
  } finally {
    await running.stop();
  }
  return exitCode.ok;
}

const installFix =
  "install it (Debian, Ubuntu: apt-get install prometheus), or give one that runs elsewhere on this machine `lateen dashboard prometheus --print`";

async function grafana({ options }: CommandInput, context: CommandContext): Promise<number> {
  const { terminal, env } = context;
  const url = `http://127.0.0.1:${portOption(options)}`;
  const datasource = grafanaDatasource(url).trimEnd();
  if (options["print"] === true) {
    terminal.out(datasource);
    return exitCode.ok;
  }
  const metricsPort = await metricsPortOf(context);
  const port = portOption(options);
  const scrapes = (await lookForPrometheus(port, `127.0.0.1:${metricsPort}`)) === "ours";
  if (!scrapes)
    terminal.err(
      `${terminal.colours.yellow("first:")} no Prometheus at ${url} reads this mesh; start one with \`lateen dashboard prometheus\``,
    );
  const isRunning = await fetch("http://127.0.0.1:3000/api/health", { signal: AbortSignal.timeout(lookMs) }).then(
    ({ ok }) => ok,
    () => false,
  );
  const isInstalled = ["grafana", "grafana-server"].some((name) => programIn(env["PATH"] ?? "", name) !== undefined);
  if (isRunning) terminal.out("Grafana runs at http://127.0.0.1:3000");
  else terminal.out(isInstalled ? "Grafana is installed and doesn't run: start it (systemctl start grafana-server)" : notInstalled);
  terminal.out("\n1. Its datasource, for example as /etc/grafana/provisioning/datasources/lateen.yaml (this text alone: --print):\n");
  terminal.out(datasource);
  terminal.out("\n2. Istio's dashboards, unchanged: in Grafana, Dashboards > New > Import, by these ids:\n");
  for (const { id, name, without } of istioDashboards) {
    terminal.out(`${String(id).padStart(6)}  ${name}${without === undefined ? "" : `\n        without ${without}`}`);
  }
  const folder = shippedDashboards();
  if (folder !== undefined) {
    terminal.out(`\n3. Traffic by version, releases and the control plane as it is here: import ${folder}/lateen.json,`);
    terminal.out("   or as /etc/grafana/provisioning/dashboards/lateen.yaml:\n");
    terminal.out(grafanaDashboards(folder).trimEnd());
  }
  return exitCode.ok;
}

const notInstalled = "Grafana isn't installed here; https://grafana.com/docs/grafana/latest/setup-grafana says how. What it needs then:";

async function metricsPortOf({ config, terminal }: CommandContext): Promise<number> {
  const client = connect(config, terminal);
  try {
    const { metricsPort } = await client.status();
    if (metricsPort !== undefined) return metricsPort;
  } finally {
    client.close();
  }
  throw new UserError("this mesh has no metrics port", {
    fix: "start it without `--metrics-port off` and without metrics.port: off in lateen.yaml",
  });
}

function portOption(options: CommandInput["options"]): number {
  const text = textOption(options, "port") ?? "9090";
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new UsageError(`--port ${text} is not a port`, { fix: "write for example --port 9090" });
  return port;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
  });
}

/** Its folder is the mesh's, which goes with it. */
function meshGone({ config }: CommandContext): Promise<void> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      if (supervisorOf(config) !== undefined) return;
      clearInterval(timer);
      resolve();
    }, lookMs);
    timer.unref();
  });
}
