-- table of session_replays
CREATE TABLE IF NOT EXISTS `acme-data.posthog.session_replays` (
  `team_id` INT64 NOT NULL OPTIONS (description = 'PostHog\'s project.'),
  `session_id` STRING NOT NULL OPTIONS (description = 'The session, as on the events\' $session_id.'),
  `distinct_id` STRING OPTIONS (description = 'The person\'s distinct id in the latest partial row that survived; best effort where it changed.'),
  `start_time` TIMESTAMP OPTIONS (description = 'First snapshot, by the client\'s clock.'),
  `end_time` TIMESTAMP OPTIONS (description = 'Last snapshot so far, by the client\'s clock.'),
  `duration_seconds` INT64 OPTIONS (description = 'From start_time to end_time, as the application counts it.'),
  `active_seconds` FLOAT64 OPTIONS (description = 'Time with activity of the user.'),
  `inactive_seconds` FLOAT64 OPTIONS (description = 'duration_seconds less active_seconds.'),
  `first_url` STRING OPTIONS (description = 'The first page of the session.'),
  `all_urls` ARRAY<STRING> OPTIONS (description = 'Every page of the session, each once, sorted.'),
  `click_count` INT64 OPTIONS (description = 'Clicks.'),
  `keypress_count` INT64 OPTIONS (description = 'Key presses.'),
  `mouse_activity_count` INT64 OPTIONS (description = 'Mouse events of any kind.'),
  `active_milliseconds` INT64 OPTIONS (description = 'Time with activity of the user, as it is stored.'),
  `console_log_count` INT64 OPTIONS (description = 'Console lines of level log or info.'),
  `console_warn_count` INT64 OPTIONS (description = 'Console lines of level warn.'),
  `console_error_count` INT64 OPTIONS (description = 'Console lines of level error.'),
  `size` INT64 OPTIONS (description = 'Bytes ingested.'),
  `message_count` INT64 OPTIONS (description = 'Kafka messages ingested.'),
  `event_count` INT64 OPTIONS (description = 'Snapshot events ingested.'),
  `snapshot_source` STRING OPTIONS (description = 'web or mobile.'),
  `snapshot_library` STRING OPTIONS (description = 'The SDK that recorded.'),
  `snapshot_mode` STRING OPTIONS (description = 'screenshot or wireframe; mobile only.'),
  `retention_period_days` INT64 OPTIONS (description = 'Days that the recording is kept, where the project sets them.'),
  `is_deleted` BOOL OPTIONS (description = 'The recording was deleted: its link is dead.'),
  `deleted_at` TIMESTAMP OPTIONS (description = 'When the recording was deleted.'),
  `ai_tags_fixed` ARRAY<STRING> OPTIONS (description = 'Tags out of PostHog\'s fixed list, sorted.'),
  `ai_tags_freeform` ARRAY<STRING> OPTIONS (description = 'Tags in a model\'s own words, sorted.'),
  `ai_highlighted` BOOL OPTIONS (description = 'PostHog\'s models think it worth watching.'),
  `surfacing_score` FLOAT64 OPTIONS (description = 'How much PostHog\'s models think it worth watching.'),
  `activity_score` FLOAT64 OPTIONS (description = 'Activity in percent, by the application\'s formula.'),
  `expires_at` TIMESTAMP OPTIONS (description = 'From then on the recording cannot be watched: day of start_time plus retention_period_days, or 30 days.'),
  `replay_url` STRING OPTIONS (description = 'Where to watch it; empty unless the config has posthog_url.'),
  `_ingested_at` TIMESTAMP OPTIONS (description = 'When PostHog last ingested something of the session, to the second.'),
  `_version` STRING OPTIONS (description = 'Sorts as text: of two rows of a session the one with the higher version is current. A deleted one is higher, then the one that was read more fully.'),
  `_exported_at` TIMESTAMP OPTIONS (description = 'When Replayport read the row.'),
  `_interval_start` TIMESTAMP OPTIONS (description = 'Start of the data interval that the row was exported with.')
)
PARTITION BY TIMESTAMP_TRUNC(`start_time`, DAY)
CLUSTER BY `team_id`, `session_id`
OPTIONS (description = 'Loaded by Replayport, export replays.', partition_expiration_days = NULL)

-- table with partition_by, cluster_by and json_columns
CREATE TABLE IF NOT EXISTS `acme-data.posthog.session_replays` (
  `team_id` INT64 NOT NULL OPTIONS (description = 'The team_id of a test.'),
  `session_id` STRING NOT NULL OPTIONS (description = 'The session_id of a test.'),
  `distinct_id` STRING OPTIONS (description = 'The distinct_id of a test.'),
  `start_time` TIMESTAMP OPTIONS (description = 'The start_time of a test.'),
  `end_time` TIMESTAMP OPTIONS (description = 'The end_time of a test.'),
  `first_url` JSON OPTIONS (description = 'The first_url of a test.'),
  `all_urls` JSON OPTIONS (description = 'The all_urls of a test.'),
  `blocks` ARRAY<TIMESTAMP> OPTIONS (description = 'The blocks of a test.'),
  `score` FLOAT64 OPTIONS (description = 'The score of a test.'),
  `is_deleted` BOOL OPTIONS (description = 'The is_deleted of a test.'),
  `_version` INT64 OPTIONS (description = 'The _version of a test.'),
  `_exported_at` TIMESTAMP OPTIONS (description = 'The _exported_at of a test.')
)
PARTITION BY TIMESTAMP_TRUNC(`end_time`, MONTH)
CLUSTER BY `distinct_id`
OPTIONS (description = 'Loaded by Replayport, export replays.', partition_expiration_days = NULL)

-- table without partitions and clusters
CREATE TABLE IF NOT EXISTS `acme-data.posthog.session_replays` (
  `team_id` INT64 NOT NULL OPTIONS (description = 'The team_id of a test.'),
  `session_id` STRING NOT NULL OPTIONS (description = 'The session_id of a test.'),
  `distinct_id` STRING OPTIONS (description = 'The distinct_id of a test.'),
  `start_time` TIMESTAMP OPTIONS (description = 'The start_time of a test.'),
  `end_time` TIMESTAMP OPTIONS (description = 'The end_time of a test.'),
  `first_url` STRING OPTIONS (description = 'The first_url of a test.'),
  `all_urls` ARRAY<STRING> OPTIONS (description = 'The all_urls of a test.'),
  `blocks` ARRAY<TIMESTAMP> OPTIONS (description = 'The blocks of a test.'),
  `score` FLOAT64 OPTIONS (description = 'The score of a test.'),
  `is_deleted` BOOL OPTIONS (description = 'The is_deleted of a test.'),
  `_version` INT64 OPTIONS (description = 'The _version of a test.'),
  `_exported_at` TIMESTAMP OPTIONS (description = 'The _exported_at of a test.')
)
OPTIONS (description = 'Loaded by Replayport, export replays.')

-- table of a check
CREATE TABLE IF NOT EXISTS `acme-data.posthog.session_replays` (
  `team_id` INT64 NOT NULL OPTIONS (description = 'The team_id of a test.'),
  `session_id` STRING NOT NULL OPTIONS (description = 'The session_id of a test.'),
  `distinct_id` STRING OPTIONS (description = 'The distinct_id of a test.'),
  `start_time` TIMESTAMP OPTIONS (description = 'The start_time of a test.'),
  `end_time` TIMESTAMP OPTIONS (description = 'The end_time of a test.'),
  `first_url` STRING OPTIONS (description = 'The first_url of a test.'),
  `all_urls` ARRAY<STRING> OPTIONS (description = 'The all_urls of a test.'),
  `blocks` ARRAY<TIMESTAMP> OPTIONS (description = 'The blocks of a test.'),
  `score` FLOAT64 OPTIONS (description = 'The score of a test.'),
  `is_deleted` BOOL OPTIONS (description = 'The is_deleted of a test.'),
  `_version` INT64 OPTIONS (description = 'The _version of a test.'),
  `_exported_at` TIMESTAMP OPTIONS (description = 'The _exported_at of a test.')
)
PARTITION BY TIMESTAMP_TRUNC(`start_time`, DAY)
CLUSTER BY `team_id`, `session_id`
OPTIONS (description = 'Loaded by Replayport, export replays.', expiration_timestamp = TIMESTAMP '2026-10-02 02:00:00.000000+00', partition_expiration_days = NULL)

-- table of receipts
CREATE TABLE IF NOT EXISTS `acme-data.posthog._replayport_receipts` (
  `export` STRING NOT NULL OPTIONS (description = 'Name of the export.'),
  `interval_start` TIMESTAMP NOT NULL OPTIONS (description = 'Start of the data interval.'),
  `interval_end` TIMESTAMP NOT NULL OPTIONS (description = 'End of the data interval, not included.'),
  `target_table` STRING NOT NULL OPTIONS (description = 'The table that the rows were merged into.'),
  `attempt` STRING NOT NULL OPTIONS (description = 'The attempt that committed.'),
  `rows` INT64 NOT NULL OPTIONS (description = 'Rows of the batch.'),
  `bytes` INT64 NOT NULL OPTIONS (description = 'Bytes of the staged files.'),
  `files` INT64 NOT NULL OPTIONS (description = 'Staged files.'),
  `fingerprint` STRING NOT NULL OPTIONS (description = 'Hash of the export\'s definition.'),
  `read_at` TIMESTAMP NOT NULL OPTIONS (description = 'When the source was read.'),
  `watermark` TIMESTAMP OPTIONS (description = 'The newest ingestion time that the source showed then; NULL if unknown.'),
  `committed_at` TIMESTAMP NOT NULL OPTIONS (description = 'When the load was committed.'),
  `replayport_version` STRING NOT NULL OPTIONS (description = 'Version of Replayport.'),
  `source_version` STRING NOT NULL OPTIONS (description = 'Version of ClickHouse.'),
  `source_columns` STRING OPTIONS (description = 'Columns that the source had, as a JSON array.')
)
CLUSTER BY `target_table`, `export`, `interval_start`
OPTIONS (description = 'One row for each load by Replayport into a table of this dataset; of one interval the last counts.')

-- columns that the export gained
ALTER TABLE `acme-data.posthog.session_replays`
  ADD COLUMN IF NOT EXISTS `all_urls` JSON OPTIONS (description = 'The all_urls of a test.'),
  ADD COLUMN IF NOT EXISTS `score` FLOAT64 OPTIONS (description = 'The score of a test.')

-- receipts of a range
SELECT receipt.`export`, UNIX_MILLIS(receipt.`interval_start`) AS `interval_start`, UNIX_MILLIS(receipt.`interval_end`) AS `interval_end`, receipt.`attempt`, receipt.`rows`, receipt.`bytes`, receipt.`files`, receipt.`fingerprint`, UNIX_MILLIS(receipt.`read_at`) AS `read_at`, UNIX_MILLIS(receipt.`watermark`) AS `watermark`, UNIX_MILLIS(receipt.`committed_at`) AS `committed_at`, receipt.`source_columns`
FROM `acme-data.posthog._replayport_receipts` AS receipt
WHERE receipt.`target_table` = 'session_replays' AND receipt.`export` = 'replays' AND receipt.`interval_start` < TIMESTAMP '2026-10-01 01:00:00.000000+00' AND receipt.`interval_end` > TIMESTAMP '2026-10-01 00:00:00.000000+00'

-- intervals that are covered
SELECT UNIX_MILLIS(receipt.`interval_start`) AS `interval_start`, UNIX_MILLIS(receipt.`interval_end`) AS `interval_end`, UNIX_MILLIS(receipt.`read_at`) AS `read_at`, UNIX_MILLIS(receipt.`watermark`) AS `watermark`, UNIX_MILLIS(receipt.`committed_at`) AS `committed_at`
FROM `acme-data.posthog._replayport_receipts` AS receipt
WHERE receipt.`target_table` = 'session_replays' AND receipt.`export` = 'replays' AND receipt.`interval_start` < TIMESTAMP '2026-10-01 01:00:00.000000+00' AND receipt.`interval_end` > TIMESTAMP '2026-10-01 00:00:00.000000+00'

-- receipts of a table that is gone
SELECT COUNT(*) AS `receipts` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays';
DELETE FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays'

-- the last commit, and the receipts of an interval
SELECT last.`head`, receipt.`interval_start`, receipt.`interval_end`, receipt.`attempt`, receipt.`read_at`, receipt.`watermark`, receipt.`committed_at`
FROM (SELECT IFNULL((SELECT receipt.`attempt` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays' ORDER BY receipt.`committed_at` DESC LIMIT 1), '') AS `head`) AS last
LEFT JOIN (
SELECT UNIX_MILLIS(receipt.`interval_start`) AS `interval_start`, UNIX_MILLIS(receipt.`interval_end`) AS `interval_end`, receipt.`attempt`, UNIX_MILLIS(receipt.`read_at`) AS `read_at`, UNIX_MILLIS(receipt.`watermark`) AS `watermark`, UNIX_MILLIS(receipt.`committed_at`) AS `committed_at`
FROM `acme-data.posthog._replayport_receipts` AS receipt
WHERE receipt.`target_table` = 'session_replays' AND receipt.`export` = 'replays' AND receipt.`interval_start` < TIMESTAMP '2026-10-01 01:00:00.000000+00' AND receipt.`interval_end` > TIMESTAMP '2026-10-01 00:00:00.000000+00'
) AS receipt ON TRUE

-- plan of a commit
SELECT IFNULL((SELECT receipt.`attempt` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays' ORDER BY receipt.`committed_at` DESC LIMIT 1), '') AS `head`, staged.*, target.*
FROM (
SELECT COUNT(*) AS `rows`, COUNTIF(`session_id` IS NULL) AS `keyless` FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`
) AS staged
CROSS JOIN (
SELECT COALESCE(SUM(CASE WHEN held.copies > 1 THEN 1 ELSE 0 END), 0) AS `doubled`,
  CAST(UNIX_MICROS(MIN(held.first_time)) AS STRING) AS `first_time`,
  CAST(UNIX_MICROS(MAX(held.last_time)) AS STRING) AS `last_time`,
  COALESCE(SUM(held.timeless), 0) AS `timeless`
FROM (
  SELECT COUNT(*) AS copies, MIN(t.`start_time`) AS first_time, MAX(t.`start_time`) AS last_time, SUM(CASE WHEN t.`start_time` IS NULL THEN 1 ELSE 0 END) AS timeless
  FROM `acme-data.posthog.session_replays` AS t
  JOIN (SELECT DISTINCT `session_id` FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`) AS s ON t.`session_id` = s.`session_id`
  WHERE (t.`start_time` >= TIMESTAMP '0001-01-01 00:00:00.000000+00' OR t.`start_time` IS NULL)
  GROUP BY t.`session_id`
) AS held
) AS target

-- plan of a commit into a table that is not partitioned
SELECT IFNULL((SELECT receipt.`attempt` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays' ORDER BY receipt.`committed_at` DESC LIMIT 1), '') AS `head`, staged.*, target.*
FROM (
SELECT COUNT(*) AS `rows`, COUNTIF(`session_id` IS NULL) AS `keyless` FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`
) AS staged
CROSS JOIN (
SELECT COALESCE(SUM(CASE WHEN held.copies > 1 THEN 1 ELSE 0 END), 0) AS `doubled`
FROM (
  SELECT COUNT(*) AS copies
  FROM `acme-data.posthog.session_replays` AS t
  JOIN (SELECT DISTINCT `session_id` FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`) AS s ON t.`session_id` = s.`session_id`
  GROUP BY t.`session_id`
) AS held
) AS target

-- commit of a column of every type
DECLARE commit_time TIMESTAMP;
BEGIN TRANSACTION;
IF IFNULL((SELECT receipt.`attempt` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays' ORDER BY receipt.`committed_at` DESC LIMIT 1), '') <> '0h1e2a3d4567' THEN
  RAISE USING MESSAGE = 'replayport: another load has committed in between';
END IF;
MERGE `acme-data.posthog.session_replays` AS T
USING (
  SELECT `team_id`,
    `session_id`,
    IF(IFNULL(`is_deleted`, FALSE), NULL, `distinct_id`) AS `distinct_id`,
    `start_time`,
    `end_time`,
    IF(IFNULL(`is_deleted`, FALSE), NULL, `first_url`) AS `first_url`,
    IF(IFNULL(`is_deleted`, FALSE), [], `all_urls`) AS `all_urls`,
    `blocks`,
    `score`,
    `is_deleted`,
    `_version`,
    `_exported_at`
  FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY `team_id`, `session_id` ORDER BY `_version` IS NULL, `_version` DESC, `_exported_at` IS NULL, `_exported_at` DESC) = 1
) AS S
ON T.`team_id` = S.`team_id`
  AND T.`session_id` = S.`session_id`
  AND T.`start_time` >= TIMESTAMP '2026-09-30 00:00:00.000000+00' AND T.`start_time` <= TIMESTAMP '2026-10-01 02:00:00.654322+00'
WHEN MATCHED AND (S.`_version` > T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NOT NULL) OR ((S.`_version` = T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NULL)) AND (T.`_exported_at` IS NULL OR S.`_exported_at` >= T.`_exported_at`))) THEN UPDATE SET
  `team_id` = S.`team_id`,
  `session_id` = S.`session_id`,
  `distinct_id` = S.`distinct_id`,
  `start_time` = S.`start_time`,
  `end_time` = S.`end_time`,
  `first_url` = S.`first_url`,
  `all_urls` = S.`all_urls`,
  `blocks` = S.`blocks`,
  `score` = S.`score`,
  `is_deleted` = S.`is_deleted`,
  `_version` = S.`_version`,
  `_exported_at` = S.`_exported_at`
WHEN NOT MATCHED THEN INSERT (`team_id`, `session_id`, `distinct_id`, `start_time`, `end_time`, `first_url`, `all_urls`, `blocks`, `score`, `is_deleted`, `_version`, `_exported_at`)
  VALUES (S.`team_id`, S.`session_id`, S.`distinct_id`, S.`start_time`, S.`end_time`, S.`first_url`, S.`all_urls`, S.`blocks`, S.`score`, S.`is_deleted`, S.`_version`, S.`_exported_at`);
IF (SELECT COUNT(*) AS doubled FROM (
  SELECT COUNT(*) AS copies
  FROM `acme-data.posthog.session_replays` AS t
  JOIN (SELECT DISTINCT `team_id`, `session_id` FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`) AS s ON t.`team_id` = s.`team_id` AND t.`session_id` = s.`session_id`
  WHERE (t.`start_time` >= TIMESTAMP '0001-01-01 00:00:00.000000+00' OR t.`start_time` IS NULL)
  GROUP BY t.`team_id`, t.`session_id`
  HAVING COUNT(*) > 1
) AS held) > 0 THEN
  RAISE USING MESSAGE = 'replayport: the table has more than one row of a session';
END IF;
SET commit_time = (SELECT GREATEST(TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND), IFNULL(TIMESTAMP_ADD(MAX(receipt.`committed_at`), INTERVAL 1 MILLISECOND), TIMESTAMP '1970-01-01 00:00:00+00'))
FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays');
INSERT INTO `acme-data.posthog._replayport_receipts` (`export`, `interval_start`, `interval_end`, `target_table`, `attempt`, `rows`, `bytes`, `files`, `fingerprint`, `read_at`, `watermark`, `committed_at`, `replayport_version`, `source_version`, `source_columns`)
VALUES ('replays', TIMESTAMP '2026-10-01 00:00:00.000000+00', TIMESTAMP '2026-10-01 01:00:00.000000+00', 'session_replays', 'k3v9x0q1m2zt', 2, 4096, 1, '0123456789abcdef', TIMESTAMP '2026-10-01 01:05:00.123000+00', NULL, commit_time, '1.2.3', '26.7.1.1', '[]');
COMMIT TRANSACTION;
SELECT UNIX_MILLIS(commit_time) AS `committed_at`;

-- commit
DECLARE commit_time TIMESTAMP;
BEGIN TRANSACTION;
IF IFNULL((SELECT receipt.`attempt` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays' ORDER BY receipt.`committed_at` DESC LIMIT 1), '') <> '0h1e2a3d4567' THEN
  RAISE USING MESSAGE = 'replayport: another load has committed in between';
END IF;
MERGE `acme-data.posthog.session_replays` AS T
USING (
  SELECT `session_id`,
    `start_time`,
    `end_time`,
    IF(IFNULL(`is_deleted`, FALSE), [], `all_urls`) AS `all_urls`,
    `is_deleted`,
    `_version`,
    `_exported_at`
  FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY `session_id` ORDER BY `_version` IS NULL, `_version` DESC, `_exported_at` IS NULL, `_exported_at` DESC) = 1
) AS S
ON T.`session_id` = S.`session_id`
  AND T.`start_time` >= TIMESTAMP '2026-09-30 00:00:00.000000+00' AND T.`start_time` <= TIMESTAMP '2026-10-01 02:00:00.654322+00'
WHEN MATCHED AND (S.`_version` > T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NOT NULL) OR ((S.`_version` = T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NULL)) AND (T.`_exported_at` IS NULL OR S.`_exported_at` >= T.`_exported_at`))) THEN UPDATE SET
  `session_id` = S.`session_id`,
  `start_time` = S.`start_time`,
  `end_time` = S.`end_time`,
  `all_urls` = S.`all_urls`,
  `is_deleted` = S.`is_deleted`,
  `_version` = S.`_version`,
  `_exported_at` = S.`_exported_at`
WHEN NOT MATCHED THEN INSERT (`session_id`, `start_time`, `end_time`, `all_urls`, `is_deleted`, `_version`, `_exported_at`)
  VALUES (S.`session_id`, S.`start_time`, S.`end_time`, S.`all_urls`, S.`is_deleted`, S.`_version`, S.`_exported_at`);
IF (SELECT COUNT(*) AS doubled FROM (
  SELECT COUNT(*) AS copies
  FROM `acme-data.posthog.session_replays` AS t
  JOIN (SELECT DISTINCT `session_id` FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`) AS s ON t.`session_id` = s.`session_id`
  WHERE (t.`start_time` >= TIMESTAMP '0001-01-01 00:00:00.000000+00' OR t.`start_time` IS NULL)
  GROUP BY t.`session_id`
  HAVING COUNT(*) > 1
) AS held) > 0 THEN
  RAISE USING MESSAGE = 'replayport: the table has more than one row of a session';
END IF;
SET commit_time = (SELECT GREATEST(TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND), IFNULL(TIMESTAMP_ADD(MAX(receipt.`committed_at`), INTERVAL 1 MILLISECOND), TIMESTAMP '1970-01-01 00:00:00+00'))
FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays');
INSERT INTO `acme-data.posthog._replayport_receipts` (`export`, `interval_start`, `interval_end`, `target_table`, `attempt`, `rows`, `bytes`, `files`, `fingerprint`, `read_at`, `watermark`, `committed_at`, `replayport_version`, `source_version`, `source_columns`)
VALUES ('replays', TIMESTAMP '2026-10-01 00:00:00.000000+00', TIMESTAMP '2026-10-01 01:00:00.000000+00', 'session_replays', 'k3v9x0q1m2zt', 2, 4096, 1, '0123456789abcdef', TIMESTAMP '2026-10-01 01:05:00.123000+00', NULL, commit_time, '1.2.3', '26.7.1.1', '[]');
COMMIT TRANSACTION;
SELECT UNIX_MILLIS(commit_time) AS `committed_at`;

-- commit with on_delete: delete
DECLARE commit_time TIMESTAMP;
BEGIN TRANSACTION;
IF IFNULL((SELECT receipt.`attempt` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays' ORDER BY receipt.`committed_at` DESC LIMIT 1), '') <> '0h1e2a3d4567' THEN
  RAISE USING MESSAGE = 'replayport: another load has committed in between';
END IF;
MERGE `acme-data.posthog.session_replays` AS T
USING (
  SELECT s.* FROM (
  SELECT `session_id`,
    `start_time`,
    `end_time`,
    `all_urls`,
    `is_deleted`,
    `_version`,
    `_exported_at`
  FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY `session_id` ORDER BY `_version` IS NULL, `_version` DESC, `_exported_at` IS NULL, `_exported_at` DESC) = 1
  ) AS s LEFT JOIN `acme-data.posthog._replayport_gone_session_replays` AS g ON s.`session_id` = g.`session_id`
  WHERE s.`_version` > g.`_version` OR (g.`_version` IS NULL AND s.`_version` IS NOT NULL) OR ((s.`_version` = g.`_version` OR (g.`_version` IS NULL AND s.`_version` IS NULL)) AND (g.`_exported_at` IS NULL OR s.`_exported_at` >= g.`_exported_at`))
) AS S
ON T.`session_id` = S.`session_id`
  AND T.`start_time` >= TIMESTAMP '2026-09-30 00:00:00.000000+00' AND T.`start_time` <= TIMESTAMP '2026-10-01 02:00:00.654322+00'
WHEN MATCHED AND (S.`_version` > T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NOT NULL) OR ((S.`_version` = T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NULL)) AND (T.`_exported_at` IS NULL OR S.`_exported_at` >= T.`_exported_at`))) AND (COALESCE(S.`is_deleted`, FALSE)) THEN DELETE
WHEN MATCHED AND (S.`_version` > T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NOT NULL) OR ((S.`_version` = T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NULL)) AND (T.`_exported_at` IS NULL OR S.`_exported_at` >= T.`_exported_at`))) THEN UPDATE SET
  `session_id` = S.`session_id`,
  `start_time` = S.`start_time`,
  `end_time` = S.`end_time`,
  `all_urls` = S.`all_urls`,
  `is_deleted` = S.`is_deleted`,
  `_version` = S.`_version`,
  `_exported_at` = S.`_exported_at`
WHEN NOT MATCHED AND NOT (COALESCE(S.`is_deleted`, FALSE)) THEN INSERT (`session_id`, `start_time`, `end_time`, `all_urls`, `is_deleted`, `_version`, `_exported_at`)
  VALUES (S.`session_id`, S.`start_time`, S.`end_time`, S.`all_urls`, S.`is_deleted`, S.`_version`, S.`_exported_at`);
MERGE INTO `acme-data.posthog._replayport_gone_session_replays` AS g
USING (
  SELECT s.`session_id` AS `session_id`, s.`_version` AS `_version`, s.`_exported_at` AS `_exported_at`, COALESCE(s.`is_deleted`, FALSE) AS `is_deleted`
  FROM (
  SELECT `session_id`,
    `start_time`,
    `end_time`,
    `all_urls`,
    `is_deleted`,
    `_version`,
    `_exported_at`
  FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY `session_id` ORDER BY `_version` IS NULL, `_version` DESC, `_exported_at` IS NULL, `_exported_at` DESC) = 1
  ) AS s
  WHERE (COALESCE(s.`is_deleted`, FALSE))
) AS s
ON s.`session_id` = g.`session_id`
WHEN MATCHED AND (s.`_version` > g.`_version` OR (g.`_version` IS NULL AND s.`_version` IS NOT NULL) OR ((s.`_version` = g.`_version` OR (g.`_version` IS NULL AND s.`_version` IS NULL)) AND (g.`_exported_at` IS NULL OR s.`_exported_at` >= g.`_exported_at`))) THEN UPDATE SET `_version` = s.`_version`, `_exported_at` = s.`_exported_at`, `is_deleted` = s.`is_deleted`
WHEN NOT MATCHED THEN INSERT (`session_id`, `_version`, `_exported_at`, `is_deleted`) VALUES (s.`session_id`, s.`_version`, s.`_exported_at`, s.`is_deleted`);
DELETE FROM `acme-data.posthog._replayport_gone_session_replays` WHERE NOT `is_deleted` AND `_exported_at` < TIMESTAMP '2026-09-29 01:05:00.123000+00';
IF (SELECT COUNT(*) AS doubled FROM (
  SELECT COUNT(*) AS copies
  FROM `acme-data.posthog.session_replays` AS t
  JOIN (SELECT DISTINCT `session_id` FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`) AS s ON t.`session_id` = s.`session_id`
  WHERE (t.`start_time` >= TIMESTAMP '0001-01-01 00:00:00.000000+00' OR t.`start_time` IS NULL)
  GROUP BY t.`session_id`
  HAVING COUNT(*) > 1
) AS held) > 0 THEN
  RAISE USING MESSAGE = 'replayport: the table has more than one row of a session';
END IF;
SET commit_time = (SELECT GREATEST(TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND), IFNULL(TIMESTAMP_ADD(MAX(receipt.`committed_at`), INTERVAL 1 MILLISECOND), TIMESTAMP '1970-01-01 00:00:00+00'))
FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays');
INSERT INTO `acme-data.posthog._replayport_receipts` (`export`, `interval_start`, `interval_end`, `target_table`, `attempt`, `rows`, `bytes`, `files`, `fingerprint`, `read_at`, `watermark`, `committed_at`, `replayport_version`, `source_version`, `source_columns`)
VALUES ('replays', TIMESTAMP '2026-10-01 00:00:00.000000+00', TIMESTAMP '2026-10-01 01:00:00.000000+00', 'session_replays', 'k3v9x0q1m2zt', 2, 4096, 1, '0123456789abcdef', TIMESTAMP '2026-10-01 01:05:00.123000+00', NULL, commit_time, '1.2.3', '26.7.1.1', '[]');
COMMIT TRANSACTION;
SELECT UNIX_MILLIS(commit_time) AS `committed_at`;

-- commit of JSON Lines with json_columns
DECLARE commit_time TIMESTAMP;
BEGIN TRANSACTION;
IF IFNULL((SELECT receipt.`attempt` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays' ORDER BY receipt.`committed_at` DESC LIMIT 1), '') <> '0h1e2a3d4567' THEN
  RAISE USING MESSAGE = 'replayport: another load has committed in between';
END IF;
MERGE `acme-data.posthog.session_replays` AS T
USING (
  SELECT `team_id`,
    `session_id`,
    IF(IFNULL(`is_deleted`, FALSE), NULL, `distinct_id`) AS `distinct_id`,
    `start_time`,
    `end_time`,
    IF(IFNULL(`is_deleted`, FALSE), NULL, IF(`first_url` IS NULL, NULL, IFNULL(SAFE.PARSE_JSON(`first_url`, wide_number_mode => 'round'), TO_JSON(`first_url`)))) AS `first_url`,
    IF(IFNULL(`is_deleted`, FALSE), NULL, TO_JSON(`all_urls`)) AS `all_urls`,
    `blocks`,
    `score`,
    `is_deleted`,
    `_version`,
    `_exported_at`
  FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY `team_id`, `session_id` ORDER BY `_version` IS NULL, `_version` DESC, `_exported_at` IS NULL, `_exported_at` DESC) = 1
) AS S
ON T.`team_id` = S.`team_id`
  AND T.`session_id` = S.`session_id`
  AND T.`start_time` >= TIMESTAMP '2026-09-30 00:00:00.000000+00' AND T.`start_time` <= TIMESTAMP '2026-10-01 02:00:00.654322+00'
WHEN MATCHED AND (S.`_version` > T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NOT NULL) OR ((S.`_version` = T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NULL)) AND (T.`_exported_at` IS NULL OR S.`_exported_at` >= T.`_exported_at`))) THEN UPDATE SET
  `team_id` = S.`team_id`,
  `session_id` = S.`session_id`,
  `distinct_id` = S.`distinct_id`,
  `start_time` = S.`start_time`,
  `end_time` = S.`end_time`,
  `first_url` = S.`first_url`,
  `all_urls` = S.`all_urls`,
  `blocks` = S.`blocks`,
  `score` = S.`score`,
  `is_deleted` = S.`is_deleted`,
  `_version` = S.`_version`,
  `_exported_at` = S.`_exported_at`
WHEN NOT MATCHED THEN INSERT (`team_id`, `session_id`, `distinct_id`, `start_time`, `end_time`, `first_url`, `all_urls`, `blocks`, `score`, `is_deleted`, `_version`, `_exported_at`)
  VALUES (S.`team_id`, S.`session_id`, S.`distinct_id`, S.`start_time`, S.`end_time`, S.`first_url`, S.`all_urls`, S.`blocks`, S.`score`, S.`is_deleted`, S.`_version`, S.`_exported_at`);
IF (SELECT COUNT(*) AS doubled FROM (
  SELECT COUNT(*) AS copies
  FROM `acme-data.posthog.session_replays` AS t
  JOIN (SELECT DISTINCT `team_id`, `session_id` FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`) AS s ON t.`team_id` = s.`team_id` AND t.`session_id` = s.`session_id`
  WHERE (t.`start_time` >= TIMESTAMP '0001-01-01 00:00:00.000000+00' OR t.`start_time` IS NULL)
  GROUP BY t.`team_id`, t.`session_id`
  HAVING COUNT(*) > 1
) AS held) > 0 THEN
  RAISE USING MESSAGE = 'replayport: the table has more than one row of a session';
END IF;
SET commit_time = (SELECT GREATEST(TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND), IFNULL(TIMESTAMP_ADD(MAX(receipt.`committed_at`), INTERVAL 1 MILLISECOND), TIMESTAMP '1970-01-01 00:00:00+00'))
FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays');
INSERT INTO `acme-data.posthog._replayport_receipts` (`export`, `interval_start`, `interval_end`, `target_table`, `attempt`, `rows`, `bytes`, `files`, `fingerprint`, `read_at`, `watermark`, `committed_at`, `replayport_version`, `source_version`, `source_columns`)
VALUES ('replays', TIMESTAMP '2026-10-01 00:00:00.000000+00', TIMESTAMP '2026-10-01 01:00:00.000000+00', 'session_replays', 'k3v9x0q1m2zt', 2, 4096, 1, '0123456789abcdef', TIMESTAMP '2026-10-01 01:05:00.123000+00', NULL, commit_time, '1.2.3', '26.7.1.1', '[]');
COMMIT TRANSACTION;
SELECT UNIX_MILLIS(commit_time) AS `committed_at`;

-- commit of CSV
DECLARE commit_time TIMESTAMP;
BEGIN TRANSACTION;
IF IFNULL((SELECT receipt.`attempt` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays' ORDER BY receipt.`committed_at` DESC LIMIT 1), '') <> '0h1e2a3d4567' THEN
  RAISE USING MESSAGE = 'replayport: another load has committed in between';
END IF;
MERGE `acme-data.posthog.session_replays` AS T
USING (
  SELECT `team_id`,
    `session_id`,
    IF(IFNULL(`is_deleted`, FALSE), NULL, `distinct_id`) AS `distinct_id`,
    `start_time`,
    `end_time`,
    IF(IFNULL(`is_deleted`, FALSE), NULL, `first_url`) AS `first_url`,
    IF(IFNULL(`is_deleted`, FALSE), [], IFNULL(JSON_VALUE_ARRAY(`all_urls`), [])) AS `all_urls`,
    ARRAY(SELECT TIMESTAMP(item) FROM UNNEST(IFNULL(JSON_VALUE_ARRAY(`blocks`), [])) AS item WITH OFFSET AS place ORDER BY place) AS `blocks`,
    `score`,
    `is_deleted`,
    `_version`,
    `_exported_at`
  FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY `team_id`, `session_id` ORDER BY `_version` IS NULL, `_version` DESC, `_exported_at` IS NULL, `_exported_at` DESC) = 1
) AS S
ON T.`team_id` = S.`team_id`
  AND T.`session_id` = S.`session_id`
  AND T.`start_time` >= TIMESTAMP '2026-09-30 00:00:00.000000+00' AND T.`start_time` <= TIMESTAMP '2026-10-01 02:00:00.654322+00'
WHEN MATCHED AND (S.`_version` > T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NOT NULL) OR ((S.`_version` = T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NULL)) AND (T.`_exported_at` IS NULL OR S.`_exported_at` >= T.`_exported_at`))) THEN UPDATE SET
  `team_id` = S.`team_id`,
  `session_id` = S.`session_id`,
  `distinct_id` = S.`distinct_id`,
  `start_time` = S.`start_time`,
  `end_time` = S.`end_time`,
  `first_url` = S.`first_url`,
  `all_urls` = S.`all_urls`,
  `blocks` = S.`blocks`,
  `score` = S.`score`,
  `is_deleted` = S.`is_deleted`,
  `_version` = S.`_version`,
  `_exported_at` = S.`_exported_at`
WHEN NOT MATCHED THEN INSERT (`team_id`, `session_id`, `distinct_id`, `start_time`, `end_time`, `first_url`, `all_urls`, `blocks`, `score`, `is_deleted`, `_version`, `_exported_at`)
  VALUES (S.`team_id`, S.`session_id`, S.`distinct_id`, S.`start_time`, S.`end_time`, S.`first_url`, S.`all_urls`, S.`blocks`, S.`score`, S.`is_deleted`, S.`_version`, S.`_exported_at`);
IF (SELECT COUNT(*) AS doubled FROM (
  SELECT COUNT(*) AS copies
  FROM `acme-data.posthog.session_replays` AS t
  JOIN (SELECT DISTINCT `team_id`, `session_id` FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`) AS s ON t.`team_id` = s.`team_id` AND t.`session_id` = s.`session_id`
  WHERE (t.`start_time` >= TIMESTAMP '0001-01-01 00:00:00.000000+00' OR t.`start_time` IS NULL)
  GROUP BY t.`team_id`, t.`session_id`
  HAVING COUNT(*) > 1
) AS held) > 0 THEN
  RAISE USING MESSAGE = 'replayport: the table has more than one row of a session';
END IF;
SET commit_time = (SELECT GREATEST(TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND), IFNULL(TIMESTAMP_ADD(MAX(receipt.`committed_at`), INTERVAL 1 MILLISECOND), TIMESTAMP '1970-01-01 00:00:00+00'))
FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays');
INSERT INTO `acme-data.posthog._replayport_receipts` (`export`, `interval_start`, `interval_end`, `target_table`, `attempt`, `rows`, `bytes`, `files`, `fingerprint`, `read_at`, `watermark`, `committed_at`, `replayport_version`, `source_version`, `source_columns`)
VALUES ('replays', TIMESTAMP '2026-10-01 00:00:00.000000+00', TIMESTAMP '2026-10-01 01:00:00.000000+00', 'session_replays', 'k3v9x0q1m2zt', 2, 4096, 1, '0123456789abcdef', TIMESTAMP '2026-10-01 01:05:00.123000+00', NULL, commit_time, '1.2.3', '26.7.1.1', '[]');
COMMIT TRANSACTION;
SELECT UNIX_MILLIS(commit_time) AS `committed_at`;

-- commit of a user's SELECT
DECLARE commit_time TIMESTAMP;
BEGIN TRANSACTION;
IF IFNULL((SELECT receipt.`attempt` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays' ORDER BY receipt.`committed_at` DESC LIMIT 1), '') <> '0h1e2a3d4567' THEN
  RAISE USING MESSAGE = 'replayport: another load has committed in between';
END IF;
MERGE `acme-data.posthog.session_replays` AS T
USING (
  SELECT `session_id`,
    IF(IFNULL(`is_deleted`, FALSE), NULL, `start_time`) AS `start_time`,
    IF(IFNULL(`is_deleted`, FALSE), NULL, `end_time`) AS `end_time`,
    IF(IFNULL(`is_deleted`, FALSE), [], `all_urls`) AS `all_urls`,
    `is_deleted`,
    `_version`,
    `_exported_at`
  FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY `session_id` ORDER BY `_version` IS NULL, `_version` DESC, `_exported_at` IS NULL, `_exported_at` DESC) = 1
) AS S
ON T.`session_id` = S.`session_id`
WHEN MATCHED AND (S.`_version` > T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NOT NULL) OR ((S.`_version` = T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NULL)) AND (T.`_exported_at` IS NULL OR S.`_exported_at` >= T.`_exported_at`))) THEN UPDATE SET
  `session_id` = S.`session_id`,
  `start_time` = S.`start_time`,
  `end_time` = S.`end_time`,
  `all_urls` = S.`all_urls`,
  `is_deleted` = S.`is_deleted`,
  `_version` = S.`_version`,
  `_exported_at` = S.`_exported_at`
WHEN NOT MATCHED THEN INSERT (`session_id`, `start_time`, `end_time`, `all_urls`, `is_deleted`, `_version`, `_exported_at`)
  VALUES (S.`session_id`, S.`start_time`, S.`end_time`, S.`all_urls`, S.`is_deleted`, S.`_version`, S.`_exported_at`);
IF (SELECT COUNT(*) AS doubled FROM (
  SELECT COUNT(*) AS copies
  FROM `acme-data.posthog.session_replays` AS t
  JOIN (SELECT DISTINCT `session_id` FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`) AS s ON t.`session_id` = s.`session_id`
  GROUP BY t.`session_id`
  HAVING COUNT(*) > 1
) AS held) > 0 THEN
  RAISE USING MESSAGE = 'replayport: the table has more than one row of a session';
END IF;
SET commit_time = (SELECT GREATEST(TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND), IFNULL(TIMESTAMP_ADD(MAX(receipt.`committed_at`), INTERVAL 1 MILLISECOND), TIMESTAMP '1970-01-01 00:00:00+00'))
FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays');
INSERT INTO `acme-data.posthog._replayport_receipts` (`export`, `interval_start`, `interval_end`, `target_table`, `attempt`, `rows`, `bytes`, `files`, `fingerprint`, `read_at`, `watermark`, `committed_at`, `replayport_version`, `source_version`, `source_columns`)
VALUES ('replays', TIMESTAMP '2026-10-01 00:00:00.000000+00', TIMESTAMP '2026-10-01 01:00:00.000000+00', 'session_replays', 'k3v9x0q1m2zt', 2, 4096, 1, '0123456789abcdef', TIMESTAMP '2026-10-01 01:05:00.123000+00', NULL, commit_time, '1.2.3', '26.7.1.1', '[]');
COMMIT TRANSACTION;
SELECT UNIX_MILLIS(commit_time) AS `committed_at`;

-- commit where rows have no start
DECLARE commit_time TIMESTAMP;
BEGIN TRANSACTION;
IF IFNULL((SELECT receipt.`attempt` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays' ORDER BY receipt.`committed_at` DESC LIMIT 1), '') <> '0h1e2a3d4567' THEN
  RAISE USING MESSAGE = 'replayport: another load has committed in between';
END IF;
MERGE `acme-data.posthog.session_replays` AS T
USING (
  SELECT `session_id`,
    `start_time`,
    `end_time`,
    IF(IFNULL(`is_deleted`, FALSE), [], `all_urls`) AS `all_urls`,
    `is_deleted`,
    `_version`,
    `_exported_at`
  FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY `session_id` ORDER BY `_version` IS NULL, `_version` DESC, `_exported_at` IS NULL, `_exported_at` DESC) = 1
) AS S
ON T.`session_id` = S.`session_id`
  AND (T.`start_time` IS NULL OR (T.`start_time` >= TIMESTAMP '2026-09-30 00:00:00.000000+00' AND T.`start_time` <= TIMESTAMP '2026-10-01 02:00:00.654322+00'))
WHEN MATCHED AND (S.`_version` > T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NOT NULL) OR ((S.`_version` = T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NULL)) AND (T.`_exported_at` IS NULL OR S.`_exported_at` >= T.`_exported_at`))) THEN UPDATE SET
  `session_id` = S.`session_id`,
  `start_time` = S.`start_time`,
  `end_time` = S.`end_time`,
  `all_urls` = S.`all_urls`,
  `is_deleted` = S.`is_deleted`,
  `_version` = S.`_version`,
  `_exported_at` = S.`_exported_at`
WHEN NOT MATCHED THEN INSERT (`session_id`, `start_time`, `end_time`, `all_urls`, `is_deleted`, `_version`, `_exported_at`)
  VALUES (S.`session_id`, S.`start_time`, S.`end_time`, S.`all_urls`, S.`is_deleted`, S.`_version`, S.`_exported_at`);
IF (SELECT COUNT(*) AS doubled FROM (
  SELECT COUNT(*) AS copies
  FROM `acme-data.posthog.session_replays` AS t
  JOIN (SELECT DISTINCT `session_id` FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`) AS s ON t.`session_id` = s.`session_id`
  WHERE (t.`start_time` >= TIMESTAMP '0001-01-01 00:00:00.000000+00' OR t.`start_time` IS NULL)
  GROUP BY t.`session_id`
  HAVING COUNT(*) > 1
) AS held) > 0 THEN
  RAISE USING MESSAGE = 'replayport: the table has more than one row of a session';
END IF;
SET commit_time = (SELECT GREATEST(TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND), IFNULL(TIMESTAMP_ADD(MAX(receipt.`committed_at`), INTERVAL 1 MILLISECOND), TIMESTAMP '1970-01-01 00:00:00+00'))
FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays');
INSERT INTO `acme-data.posthog._replayport_receipts` (`export`, `interval_start`, `interval_end`, `target_table`, `attempt`, `rows`, `bytes`, `files`, `fingerprint`, `read_at`, `watermark`, `committed_at`, `replayport_version`, `source_version`, `source_columns`)
VALUES ('replays', TIMESTAMP '2026-10-01 00:00:00.000000+00', TIMESTAMP '2026-10-01 01:00:00.000000+00', 'session_replays', 'k3v9x0q1m2zt', 2, 4096, 1, '0123456789abcdef', TIMESTAMP '2026-10-01 01:05:00.123000+00', NULL, commit_time, '1.2.3', '26.7.1.1', '[]');
COMMIT TRANSACTION;
SELECT UNIX_MILLIS(commit_time) AS `committed_at`;

-- commit without a range
DECLARE commit_time TIMESTAMP;
BEGIN TRANSACTION;
IF IFNULL((SELECT receipt.`attempt` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays' ORDER BY receipt.`committed_at` DESC LIMIT 1), '') <> '0h1e2a3d4567' THEN
  RAISE USING MESSAGE = 'replayport: another load has committed in between';
END IF;
MERGE `acme-data.posthog.session_replays` AS T
USING (
  SELECT `session_id`,
    `start_time`,
    `end_time`,
    IF(IFNULL(`is_deleted`, FALSE), [], `all_urls`) AS `all_urls`,
    `is_deleted`,
    `_version`,
    `_exported_at`
  FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`
  WHERE TRUE
  QUALIFY ROW_NUMBER() OVER (PARTITION BY `session_id` ORDER BY `_version` IS NULL, `_version` DESC, `_exported_at` IS NULL, `_exported_at` DESC) = 1
) AS S
ON T.`session_id` = S.`session_id`
WHEN MATCHED AND (S.`_version` > T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NOT NULL) OR ((S.`_version` = T.`_version` OR (T.`_version` IS NULL AND S.`_version` IS NULL)) AND (T.`_exported_at` IS NULL OR S.`_exported_at` >= T.`_exported_at`))) THEN UPDATE SET
  `session_id` = S.`session_id`,
  `start_time` = S.`start_time`,
  `end_time` = S.`end_time`,
  `all_urls` = S.`all_urls`,
  `is_deleted` = S.`is_deleted`,
  `_version` = S.`_version`,
  `_exported_at` = S.`_exported_at`
WHEN NOT MATCHED THEN INSERT (`session_id`, `start_time`, `end_time`, `all_urls`, `is_deleted`, `_version`, `_exported_at`)
  VALUES (S.`session_id`, S.`start_time`, S.`end_time`, S.`all_urls`, S.`is_deleted`, S.`_version`, S.`_exported_at`);
IF (SELECT COUNT(*) AS doubled FROM (
  SELECT COUNT(*) AS copies
  FROM `acme-data.posthog.session_replays` AS t
  JOIN (SELECT DISTINCT `session_id` FROM `acme-data.posthog._replayport_staging_7f9c0f8c819dbdf0_k3v9x0q1m2zt`) AS s ON t.`session_id` = s.`session_id`
  GROUP BY t.`session_id`
  HAVING COUNT(*) > 1
) AS held) > 0 THEN
  RAISE USING MESSAGE = 'replayport: the table has more than one row of a session';
END IF;
SET commit_time = (SELECT GREATEST(TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND), IFNULL(TIMESTAMP_ADD(MAX(receipt.`committed_at`), INTERVAL 1 MILLISECOND), TIMESTAMP '1970-01-01 00:00:00+00'))
FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays');
INSERT INTO `acme-data.posthog._replayport_receipts` (`export`, `interval_start`, `interval_end`, `target_table`, `attempt`, `rows`, `bytes`, `files`, `fingerprint`, `read_at`, `watermark`, `committed_at`, `replayport_version`, `source_version`, `source_columns`)
VALUES ('replays', TIMESTAMP '2026-10-01 00:00:00.000000+00', TIMESTAMP '2026-10-01 01:00:00.000000+00', 'session_replays', 'k3v9x0q1m2zt', 2, 4096, 1, '0123456789abcdef', TIMESTAMP '2026-10-01 01:05:00.123000+00', NULL, commit_time, '1.2.3', '26.7.1.1', '[]');
COMMIT TRANSACTION;
SELECT UNIX_MILLIS(commit_time) AS `committed_at`;

-- commit without files
DECLARE commit_time TIMESTAMP;
BEGIN TRANSACTION;
IF IFNULL((SELECT receipt.`attempt` FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays' ORDER BY receipt.`committed_at` DESC LIMIT 1), '') <> '0h1e2a3d4567' THEN
  RAISE USING MESSAGE = 'replayport: another load has committed in between';
END IF;
SET commit_time = (SELECT GREATEST(TIMESTAMP_TRUNC(CURRENT_TIMESTAMP(), MILLISECOND), IFNULL(TIMESTAMP_ADD(MAX(receipt.`committed_at`), INTERVAL 1 MILLISECOND), TIMESTAMP '1970-01-01 00:00:00+00'))
FROM `acme-data.posthog._replayport_receipts` AS receipt WHERE receipt.`target_table` = 'session_replays');
INSERT INTO `acme-data.posthog._replayport_receipts` (`export`, `interval_start`, `interval_end`, `target_table`, `attempt`, `rows`, `bytes`, `files`, `fingerprint`, `read_at`, `watermark`, `committed_at`, `replayport_version`, `source_version`, `source_columns`)
VALUES ('replays', TIMESTAMP '2026-10-01 00:00:00.000000+00', TIMESTAMP '2026-10-01 01:00:00.000000+00', 'session_replays', 'k3v9x0q1m2zt', 0, 0, 0, '0123456789abcdef', TIMESTAMP '2026-10-01 01:05:00.123000+00', NULL, commit_time, '1.2.3', '26.7.1.1', '[]');
COMMIT TRANSACTION;
SELECT UNIX_MILLIS(commit_time) AS `committed_at`;

-- audit: current rows by day and bucket
SELECT `day`, `bucket`, COUNT(*) AS `sessions`, SUM(`hash`) AS `checksum`
FROM (
  SELECT `day`, `hash`, CAST(FLOOR(`key_hash` / 4194304) AS INT64) AS `bucket`
  FROM (
    SELECT DIV(UNIX_MICROS(`start_time`), 86400000000) AS `day`, CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(CONCAT(CONCAT(CAST(`team_id` AS STRING), '|', `session_id`), '|', COALESCE(CAST(`_version` AS STRING), '')))), 1, 8)) AS INT64) AS `hash`, CAST(CONCAT('0x', SUBSTR(TO_HEX(MD5(CONCAT(CAST(`team_id` AS STRING), '|', `session_id`))), 1, 8)) AS INT64) AS `key_hash`
    FROM `acme-data.posthog.session_replays` WHERE `start_time` >= TIMESTAMP '2026-10-01 00:00:00.000000+00' AND `team_id` IN (1, 2)
  ) AS `hashes`
) AS `buckets`
GROUP BY `day`, `bucket`

-- audit: versions of current rows
SELECT CONCAT(CAST(`team_id` AS STRING), '|', `session_id`) AS `row_key`, CAST(`_version` AS STRING) AS `row_version`
FROM `acme-data.posthog.session_replays` WHERE (`start_time` >= TIMESTAMP '0001-01-01 00:00:00.000000+00' OR `start_time` IS NULL) AND `session_id` IN ('a', 'it\'s b')

-- audit: versions of deleted rows
SELECT CONCAT(CAST(`team_id` AS STRING), '|', `session_id`) AS `row_key`, CAST(`_version` AS STRING) AS `row_version`
FROM `acme-data.posthog._replayport_gone_session_replays` WHERE `session_id` IN ('a', 'it\'s b')

-- keys that a table has twice
SELECT COUNT(*) AS doubled FROM (SELECT `team_id`, `session_id` FROM `acme-data.posthog.session_replays` AS t WHERE (t.`start_time` >= TIMESTAMP '0001-01-01 00:00:00.000000+00' OR t.`start_time` IS NULL) GROUP BY `team_id`, `session_id` HAVING COUNT(*) > 1) AS held

-- what leaves one row of each key
CREATE TEMP TABLE kept AS SELECT * FROM `acme-data.posthog.session_replays` AS t WHERE (t.`start_time` >= TIMESTAMP '0001-01-01 00:00:00.000000+00' OR t.`start_time` IS NULL) QUALIFY COUNT(*) OVER (PARTITION BY `team_id`, `session_id`) > 1 AND ROW_NUMBER() OVER (PARTITION BY `team_id`, `session_id` ORDER BY `_version` IS NULL, `_version` DESC, `_exported_at` IS NULL, `_exported_at` DESC) = 1; BEGIN TRANSACTION; DELETE FROM `acme-data.posthog.session_replays` AS t WHERE (t.`start_time` >= TIMESTAMP '0001-01-01 00:00:00.000000+00' OR t.`start_time` IS NULL) AND EXISTS (SELECT 1 FROM kept WHERE kept.`team_id` = t.`team_id` AND kept.`session_id` = t.`session_id`); INSERT INTO `acme-data.posthog.session_replays` SELECT * FROM kept; COMMIT TRANSACTION;

-- what a check reads back
SELECT `session_id`, `first_url`, TO_JSON_STRING(`all_urls`) AS `all_urls`, UNIX_MICROS(`start_time`) AS `start_us`, UNIX_MICROS(`end_time`) AS `end_us`, `is_deleted`, `active_seconds`, `_version` AS `version`, UNIX_MICROS(`_exported_at`) AS `exported_us`
FROM `acme-data.posthog._replayport_check_0123456789ab`
