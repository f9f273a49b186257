/** A lake on a second server of S3's protocol, which checks signatures and conditions by code of its own. */
import { conformance } from "../../conformance/suite.ts";
import { seaweedfsServer } from "../../support/s3.ts";
import { s3Lake } from "./harness.ts";

conformance("s3, on SeaweedFS", () => s3Lake(seaweedfsServer()));
