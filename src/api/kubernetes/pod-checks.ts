// Checks of a pod's spec, alone or in a template: what Kubernetes' own validation refuses and the node could not run.

import { type FieldPath, printPath } from "../../lib/field-path.ts";
import type { Finding } from "../finding.ts";
import { checkLabels, checkUnique, invalidName, isDnsLabel } from "../names.ts";
import type { Container, EnvVar } from "./container.ts";
import type { Pod } from "./pod.ts";
import type { PodSpec, PodTemplateSpec } from "./pod-spec.ts";
import type { Probe } from "./probe.ts";

/** All findings of one Pod. */
export function checkPod({ spec }: Pod): readonly Finding[] {
  return checkPodSpec(spec, ["spec"]);
}

/** A template of a Deployment or ReplicaSet; its pods always restart. */
export function checkPodTemplate(template: PodTemplateSpec, path: FieldPath): readonly Finding[] {
  const at = [...path, "spec", "restartPolicy"];
  const restart: readonly Finding[] =
    template.spec.restartPolicy === "Always"
      ? []
      : [
          {
            code: "LTN0604",
            path: at,
            message: `\`${printPath(at)}\` is ${template.spec.restartPolicy}`,
            fix: "Remove it; pods of a Deployment always restart.",
          },
        ];
  return [
    ...checkLabels(template.metadata.labels, [...path, "metadata", "labels"]),
    ...checkPodSpec(template.spec, [...path, "spec"]),
    ...restart,
  ];
}

function checkPodSpec(spec: PodSpec, path: FieldPath): readonly Finding[] {
  const at = [...path, "containers"];
  const none: readonly Finding[] =
    spec.containers.length === 0 ? [{ code: "LTN0601", path: at, message: `\`${printPath(at)}\` is empty`, fix: "Add a container." }] : [];
  const volumes = new Set(spec.volumes.map(({ name }) => name));
  const lists = [
    ["containers", spec.containers],
    ["initContainers", spec.initContainers],
  ] as const;
  return [
    ...none,
    ...lists.flatMap(([name, list]) => list.flatMap((container, index) => checkContainer(container, volumes, [...path, name, index]))),
    ...checkUnique(
      [...spec.containers, ...spec.initContainers].map(({ name }) => name),
      (index) => containerNamePath(spec, index, path),
      { code: "LTN0602", what: "the container name" },
    ),
    ...checkUnique(
      spec.volumes.map(({ name }) => name),
      (index) => [...path, "volumes", index, "name"],
      { code: "LTN0602", what: "the volume name" },
    ),
    ...checkVolumes(spec, path),
    ...checkHostPaths(spec, path),
  ];
}

function containerNamePath(spec: PodSpec, index: number, path: FieldPath): FieldPath {
  const count = spec.containers.length;
  return index < count ? [...path, "containers", index, "name"] : [...path, "initContainers", index - count, "name"];
}

function checkVolumes(spec: PodSpec, path: FieldPath): readonly Finding[] {
  return spec.volumes.flatMap((volume, index) => {
    const sources = Object.entries(volume).filter(([key, value]) => key !== "name" && value !== undefined);
    if (sources.length <= 1) return [];
    const at = [...path, "volumes", index];
    return [
      {
        code: "LTN0108" as const,
        path: at,
        message: `\`${printPath(at)}\` has ${sources.map(([key]) => key).join(" and ")}`,
        fix: "Keep one source.",
      },
    ];
  });
}

/** "" checks nothing (HostPathVolumeSource.type). */
const hostPathTypes = ["", "DirectoryOrCreate", "Directory", "FileOrCreate", "File", "Socket", "CharDevice", "BlockDevice"];

function checkHostPaths(spec: PodSpec, path: FieldPath): readonly Finding[] {
  return spec.volumes.flatMap(({ hostPath }, index): readonly Finding[] => {
    if (hostPath === undefined) return [];
    const at = [...path, "volumes", index, "hostPath"];
    const { path: file, type = "" } = hostPath;
    const isFine = file.startsWith("/") && !file.includes("\0") && !file.split("/").includes("..");
    const invalid = {
      code: "LTN0612",
      path: [...at, "path"],
      message: `\`${printPath(at)}.path\` is "${file}", which is no absolute path without ".."`,
    } as const;
    const unknown = { code: "LTN0104", path: [...at, "type"], message: `\`${printPath(at)}.type\` is "${type}"` } as const;
    return [
      ...(isFine ? [] : [invalid]),
      ...(hostPathTypes.includes(type) ? [] : [{ ...unknown, fix: `Use one of ${hostPathTypes.slice(1).join(", ")}, or leave it away.` }]),
    ];
  });
}

function checkContainer(container: Container, volumes: ReadonlySet<string>, path: FieldPath): readonly Finding[] {
  const name = isDnsLabel(container.name)
    ? []
    : [invalidName([...path, "name"], container.name, "Use lower-case letters, digits and '-' (at most 63).")];
  const image: readonly Finding[] =
    container.image === undefined || container.image === ""
      ? [
          {
            code: "LTN0102",
            path: [...path, "image"],
            message: `\`${printPath([...path, "image"])}\` is required`,
            fix: "Name the container's image.",
          },
        ]
      : [];
  return [
    ...name,
    ...image,
    ...container.env.flatMap((variable, index) => checkEnv(variable, [...path, "env", index])),
    ...checkEnvFrom(container, path),
    ...checkMounts(container, volumes, path),
    ...checkContainerPorts(container, path),
    ...(["livenessProbe", "readinessProbe", "startupProbe"] as const).flatMap((field) => checkProbe(container, field, path)),
  ];
}

function checkEnv(variable: EnvVar, path: FieldPath): readonly Finding[] {
  const name = printPath(path);
  if (variable.name === "" || /[=\0]/.test(variable.name))
    return [invalidName([...path, "name"], variable.name, "Use letters, digits and '_'.")];
  const { value, valueFrom } = variable;
  if (valueFrom === undefined) return [];
  if (value !== undefined && value !== "")
    return [{ code: "LTN0108", path, message: `\`${name}\` has value and valueFrom`, fix: "Keep one of them." }];
  const sources = Object.values(valueFrom).filter((source) => source !== undefined);
  if (sources.length === 1) return [];
  return [
    {
      code: "LTN0108",
      path: [...path, "valueFrom"],
      message: `\`${name}.valueFrom\` must name one source`,
      fix: "Give one of configMapKeyRef, secretKeyRef, fieldRef.",
    },
  ];
}

function checkEnvFrom(container: Container, path: FieldPath): readonly Finding[] {
  return container.envFrom.flatMap(({ configMapRef, secretRef }, index) => {
    if ((configMapRef === undefined) !== (secretRef === undefined)) return [];
    const at = [...path, "envFrom", index];
    return [{ code: "LTN0108" as const, path: at, message: `\`${printPath(at)}\` must have exactly one of configMapRef and secretRef` }];
  });
}

function checkMounts(container: Container, volumes: ReadonlySet<string>, path: FieldPath): readonly Finding[] {
  return container.volumeMounts.flatMap(({ name }, index) => {
    if (volumes.has(name)) return [];
    const at = [...path, "volumeMounts", index, "name"];
    const known = volumes.size === 0 ? "the pod has none" : `the pod has ${[...volumes].toSorted().join(", ")}`;
    return [
      {
        code: "LTN0603" as const,
        path: at,
        message: `\`${printPath(at)}\`: there is no volume "${name}"; ${known}`,
        fix: "Add it to spec.volumes.",
      },
    ];
  });
}

function checkContainerPorts(container: Container, path: FieldPath): readonly Finding[] {
  const named = container.ports.map(({ name }, index) => name ?? index);
  return [
    ...checkUnique(named, (index) => [...path, "ports", index, "name"], { code: "LTN0602", what: "the port name" }),
    ...container.ports.flatMap(({ name }, index) =>
      name === undefined || (isDnsLabel(name) && name.length <= 15)
        ? []
        : [invalidName([...path, "ports", index, "name"], name, "Use at most 15 lower-case letters, digits and '-'.")],
    ),
  ];
}

function checkProbe(container: Container, field: "livenessProbe" | "readinessProbe" | "startupProbe", path: FieldPath): readonly Finding[] {
  const probe = container[field];
  if (probe === undefined) return [];
  const at = [...path, field];
  const handlers = (["httpGet", "tcpSocket", "exec", "grpc"] as const).filter((handler) => probe[handler] !== undefined);
  const one: readonly Finding[] =
    handlers.length === 1
      ? []
      : [
          {
            code: "LTN0605",
            path: at,
            message: `\`${printPath(at)}\` has ${handlers.join(" and ") || "no handler"}`,
            fix: "Give exactly one of httpGet, tcpSocket, exec, grpc.",
          },
        ];
  return [...one, ...checkProbeNumbers(probe, field, at), ...checkProbePort(container, probe, at)];
}

function checkProbeNumbers(probe: Probe, field: string, path: FieldPath): readonly Finding[] {
  const zero = (["periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold"] as const).filter((name) => probe[name] < 1);
  const findings = zero.map((name) => ({
    code: "LTN0105" as const,
    path: [...path, name],
    message: `\`${printPath([...path, name])}\` is 0`,
    fix: "Use 1 or more.",
  }));
  if (field === "readinessProbe" || probe.successThreshold <= 1) return findings;
  const at = [...path, "successThreshold"];
  return [
    ...findings,
    { code: "LTN0605", path: at, message: `\`${printPath(at)}\` must be 1`, fix: "Only a readinessProbe may ask for more." },
  ];
}

function checkProbePort(container: Container, probe: Probe, path: FieldPath): readonly Finding[] {
  return (["httpGet", "tcpSocket"] as const).flatMap((handler): readonly Finding[] => {
    const port = probe[handler]?.port;
    if (port === undefined) return [];
    const at = [...path, handler, "port"];
    if (typeof port === "number") {
      return port >= 1 && port <= 65_535
        ? []
        : [{ code: "LTN0105" as const, path: at, message: `\`${printPath(at)}\` is ${port}`, fix: "Use a port of 1 to 65535." }];
    }
    if (container.ports.some(({ name }) => name === port)) return [];
    return [
      {
        code: "LTN0605" as const,
        path: at,
        message: `\`${printPath(at)}\`: the container has no port named "${port.slice(0, 40)}"`,
        fix: "Name a port under ports, or write its number.",
      },
    ];
  });
}
