// Starts all controllers over one store, in the order in which their work should be done.

import { clusterIpController } from "./cluster-ip.ts";
import type { Controller } from "./controller.ts";
import { deploymentController } from "./deployment.ts";
import { drainController } from "./drain.ts";
import { endpointSliceController } from "./endpoint-slices.ts";
import { garbageController } from "./garbage.ts";
import { createIngressGateway } from "./ingress-gateway.ts";
import { namespaceController } from "./namespace.ts";
import type { ControllerOptions, Controllers } from "./options.ts";
import { replicaSetController } from "./replica-set.ts";
import { startRunner } from "./runner.ts";

/** Creates what every mesh has (namespaces, ingress gateway), then keeps reconciling until closed. */
export function startControllers(options: ControllerOptions): Controllers {
  const namespaces = namespaceController(options);
  if (options.ingressGateway !== false) createIngressGateway(options.store);
  const drain = drainController(options);
  const controllers: readonly Controller[] = [
    namespaces,
    // Addresses and endpoints first: traffic depends on them; drain last: it asks whether proxies know what came before.
    clusterIpController(options),
    endpointSliceController(options),
    garbageController(options),
    deploymentController(options),
    replicaSetController(options),
    drain,
  ];
  const running = startRunner({ ...options, controllers });
  return {
    idle: () => running.idle(),
    close: () => {
      drain.close();
      running.close();
    },
  };
}
