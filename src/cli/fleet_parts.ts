/** What runs beside `scheduler`, `worker` and `serve` in their process. */
import type { FleetPart } from "./fleet_host.ts";

export const FLEET_PARTS: readonly FleetPart[] = [];
