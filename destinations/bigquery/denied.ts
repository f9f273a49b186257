/** Refusals for lack of access: what would give it. Not everything that is refused can be granted by a role of BigQuery's. */
import { type Classification, giveUp, ReplayportError } from "../../src/errors.ts";
import { type BigQueryRequest, payer } from "./request.ts";

/** https://cloud.google.com/vpc-service-controls/docs/troubleshooting: with and without the name of the product in front. */
const PERIMETER = /^(?:VPC Service Controls: )?Request is prohibited by organization's policy/;
/** https://cloud.google.com/bigquery/docs/column-level-security */
const POLICY_TAG =
  /^(?:Access Denied: )?(?:BigQuery BigQuery: )?(?:User (?:has neither fine-grained reader nor masked get permission|does not have permission to access (?:data protected by )?policy tag)|Requires fineGrainedGet permission)/;
/** https://cloud.google.com/bigquery/docs/row-level-security-intro; no table's name has a space. */
const ROW_POLICY = / due to row access policies\.?$/;
/** https://cloud.google.com/bigquery/docs/customer-managed-encryption */
const ENCRYPTION_KEY = /^(?:Access Denied: )?(?:BigQuery BigQuery: )?Please grant Cloud KMS CryptoKey /;
const DISABLED = /^(?:Access Denied: )?[A-Z][\w ]* API has not been used in project (\S+) before or it is disabled/;
/** The API's page, where a message links to it. */
const API_PAGE = /\/apis\/(?:api|library)\/([a-z]+\.googleapis\.com)[/?\s]/;
const UNBILLED = /^(?:Access Denied: )?(?:BigQuery BigQuery: )?Billing has not been enabled for this project/;

/** Where Google's texts name a permission. No name of a table or an account has these words around it. */
const PERMISSION = /(?:\bPermission '?| have |\bwith the )([a-z]+\.[a-z]\w*\.[a-z]\w*)'?(?: denied on | permission\b)/i;

/** @param reason `accessDenied`, `accessNotConfigured` or `policyViolation` */
export function denied(reason: string, message: string, request: BigQueryRequest): Classification {
  const project = payer(request.resource);
  if (reason === "policyViolation" || PERIMETER.test(message)) {
    return giveUp(
      "bigquery.perimeter",
      "A VPC Service Controls perimeter keeps this machine or account out, and no grant lets it in: ask whoever owns the perimeter for an ingress rule. The identifier in the message finds the refusal in the audit logs.",
    );
  }
  if (POLICY_TAG.test(message)) {
    return giveUp(
      "bigquery.policy_tag",
      `Columns of the table are protected by policy tags: give ${member(request)} the role roles/datacatalog.categoryFineGrainedReader on their tags (a masked reader can't load), or take the tags off the table's columns.`,
    );
  }
  if (ROW_POLICY.test(message)) {
    const { project: owner, dataset = "<dataset>", table = "<table>" } = request.resource;
    return giveUp(
      "bigquery.row_policy",
      `Row access policies hide rows of the table from this account, and only who sees all rows may change them: CREATE ROW ACCESS POLICY replayport ON \`${owner}\`.\`${dataset}\`.\`${table}\` GRANT TO ("${member(request)}") FILTER USING (TRUE);`,
    );
  }
  if (UNBILLED.test(message)) {
    return giveUp("bigquery.billing", `Enable billing for the project ${project}: loads and MERGE need it.`);
  }
  const disabled = DISABLED.exec(message);
  if (disabled || reason === "accessNotConfigured") {
    return apiDisabled(API_PAGE.exec(message)?.[1] ?? "bigquery.googleapis.com", disabled?.[1] ?? project);
  }
  const permission = PERMISSION.exec(message)?.[1] ?? request.action;
  if (permission.startsWith("cloudkms.") || ENCRYPTION_KEY.test(message)) {
    return giveUp(
      "bigquery.encryption_key",
      'BigQuery\'s own account may not use the encryption key of the dataset or table: gcloud kms keys add-iam-policy-binding <the key> --member="serviceAccount:bq-<the project\'s number>@bigquery-encryption.iam.gserviceaccount.com" --role="roles/cloudkms.cryptoKeyEncrypterDecrypter"',
    );
  }
  const given = `${permission} is missing: ${grant(permission, request)}`;
  // Google gives the same answer for what doesn't exist.
  const unknown = /(?:\(or it may not exist\)|, or perhaps it does not exist(?: in location \S+)?)\.?$/i.test(message);
  const absent = unknown ? " If it exists at all: check `project`, `dataset` and `table`." : "";
  return giveUp("bigquery.access_denied", given + absent);
}

export function apiDisabled(api: string, project: string): Classification {
  return giveUp("bigquery.api_disabled", `gcloud services enable ${api} --project=${project}`);
}

/** Permissions that an existing table's own access list doesn't give. */
export function lackingPermissions(permissions: readonly string[], request: BigQueryRequest): ReplayportError {
  const [first = ""] = permissions;
  const { project, dataset, table } = request.resource;
  return new ReplayportError(
    `${project}.${dataset}.${table} cannot be loaded into: ${permissions.join(", ")} is missing`,
    giveUp("bigquery.access_denied", grant(first, request)),
  );
}

function member({ principal = "<its address>" }: BigQueryRequest): string {
  const person = /^[^@]+@[^@]+$/.test(principal) && !principal.endsWith(".gserviceaccount.com");
  return `${person ? "user" : "serviceAccount"}:${principal}`;
}

/** The command or statement that grants a permission. */
function grant(permission: string, request: BigQueryRequest): string {
  const { principal = "<its address>", resource } = request;
  if (permission.startsWith("iam.")) {
    return `gcloud iam service-accounts add-iam-policy-binding ${principal} --member="serviceAccount:<who impersonates it>" --role="roles/iam.serviceAccountTokenCreator"`;
  }
  const role = projectRole(permission);
  if (role !== undefined) {
    return `gcloud projects add-iam-policy-binding ${payer(resource)} --member="${member(request)}" --role="${role}"`;
  }
  const { project, dataset = "<dataset>" } = resource;
  return `GRANT \`roles/bigquery.dataEditor\` ON SCHEMA \`${project}\`.\`${dataset}\` TO "${member(request)}";`;
}

/** The smallest predefined role of the project with this permission; undefined if a dataset's role has it. */
function projectRole(permission: string): string | undefined {
  if (permission.startsWith("serviceusage.")) return "roles/serviceusage.serviceUsageConsumer";
  // Needed for other accounts' jobs only: more than one account loads this table.
  if (permission === "bigquery.jobs.get") return "roles/bigquery.resourceViewer";
  return permission.startsWith("bigquery.jobs.") ? "roles/bigquery.jobUser" : undefined;
}
