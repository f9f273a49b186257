"""Writes a table with Spark (Iceberg's Java) and keeps its metadata, manifest list and manifests. Run `write.ts spark`."""
import json
import pathlib
import sys

from pyspark.sql import SparkSession

given = json.loads(sys.argv[1])
settings = given["catalog"]
builder = SparkSession.builder.master("local[1]").config("spark.jars", ",".join(given["jars"]))
options = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
    "spark.sql.catalog.lake.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
    "spark.sql.catalog.lake.s3.path-style-access": "true",
    "spark.sql.catalog.lake.client.region": settings["s3.region"],
    **{f"spark.sql.catalog.lake.{name}": value for name, value in settings.items()},
}
for name, value in options.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
table = f"lake.{given['namespace']}.golden"
spark.sql(
    f"CREATE TABLE {table} (team_id BIGINT NOT NULL, session_id STRING NOT NULL, start_time TIMESTAMP NOT NULL, "
    "url STRING, tags ARRAY<STRING>) USING iceberg TBLPROPERTIES ('format-version'='2', "
    "'write.delete.mode'='merge-on-read', 'write.update.mode'='merge-on-read')"
)


def insert(first, count):
    spark.sql(
        f"INSERT INTO {table} SELECT id % 2, concat('session-', lpad(cast(id AS string), 4, '0')), "
        "timestamp_micros(1700000000000001 + id * 1000000), "
        "if(id % 3 = 0, NULL, concat('https://example.org/a-long-path/', id)), "
        f"transform(sequence(0, cast(id % 3 AS int)), x -> concat('tag', x)) FROM range({first}, {first + count}, 1, 1)"
    )


insert(0, 10)
insert(10, 5)
# Merge-on-read: a file of position deletes.
spark.sql(f"DELETE FROM {table} WHERE session_id IN ('session-0003', 'session-0007')")

here = pathlib.Path(__file__).parent / "spark"
here.mkdir(exist_ok=True)
jvm = spark._jvm
java = jvm.org.apache.iceberg.spark.Spark3Util.loadIcebergTable(spark._jsparkSession, table)


def keep(location, name):
    stream = java.io().newInputFile(location).newStream()
    (here / name).write_bytes(bytes(stream.readAllBytes()))


snapshot = java.currentSnapshot()
keep(java.operations().current().metadataFileLocation(), "metadata.json")
keep(snapshot.manifestListLocation(), "manifest_list.avro")
for at, manifest in enumerate(snapshot.allManifests(java.io())):
    keep(manifest.path(), f"manifest_{at}.avro")
deletes = [row.file_path for row in spark.sql(f"SELECT file_path FROM {table}.delete_files").collect()]
keep(deletes[0], "deletes.parquet")
print(json.dumps({"snapshots": spark.sql(f"SELECT count(*) FROM {table}.snapshots").collect()[0][0]}))
