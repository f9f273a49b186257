import { conformance } from "../../conformance/suite.ts";
import { icebergHarness } from "./harness.ts";

conformance("iceberg, with requests signed by SigV4", () => icebergHarness("sigv4"));
