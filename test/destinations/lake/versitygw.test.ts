/** A lake on a third server of S3's protocol, which checks signatures and checksums by code of its own. */
import { conformance } from "../../conformance/suite.ts";
import { versitygwServer } from "../../support/versitygw.ts";
import { s3Lake } from "./harness.ts";

conformance("s3, on versitygw", () => s3Lake(versitygwServer()));
