// Image names and the processes they are on this machine: lateen.yaml's table, completed with what every container gets. Pure but for paths.

import { resolve } from "node:path";
import { UserError } from "../../../lib/errors.ts";
import type { ImageProcess, LateenYaml } from "../lateen-yaml.ts";

/** The image of the gateway's Envoy: no process of lateen.yaml, the node runs its own Envoy for it. */
export const proxyImage = "lateen/proxy";

export interface ImageTableOptions {
  readonly table: LateenYaml["images"];
  /** Folder that relative working directories start from: that of lateen.yaml. */
  readonly baseDir: string;
  /** What `${shared}` stands for. */
  readonly sharedDir: string;
  /** PATH of containers; the folder of the Node that runs us comes first, so `node` is that one. */
  readonly path: string;
  readonly home: string;
}

export interface ImageTable {
  /** True for the gateway's image. */
  isProxy(image: string | undefined): boolean;
  /** The process an image is, with its working directory absolute. @throws UserError when lateen.yaml has no such image. */
  processOf(image: string): ImageProcess;
  /** The environment with placeholders replaced and PATH and HOME added. */
  complete(env: Readonly<Record<string, string>>): Readonly<Record<string, string>>;
}

/** Reads images as lateen.yaml maps them. */
export function createImageTable({ table, baseDir, sharedDir, path, home }: ImageTableOptions): ImageTable {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is the placeholder of lateen.yaml
  const expand = (text: string) => text.replaceAll("${shared}", sharedDir);
  return {
    isProxy: (image) => image === proxyImage,
    processOf: (image) => {
      const found = Object.hasOwn(table, image) ? table[image] : undefined;
      if (found !== undefined) return { ...found, command: found.command.map(expand), workingDir: resolve(baseDir, found.workingDir) };
      throw new UserError(`no command is known for the image "${image}"`, {
        fix: `add it to lateen.yaml: images: {"${image}": {command: [node, server.js], workingDir: ./folder}}`,
      });
    },
    complete: (env) => {
      const expanded = Object.entries(env).map(([name, value]) => [name, expand(value)] as const);
      return { PATH: path, HOME: home, ...Object.fromEntries(expanded) };
    },
  };
}
