"""Maintains a table with Spark, one step for each line of its input: a procedure of Iceberg's, or `rows` to count them."""
import json
import sys

from pyspark.sql import SparkSession

given = json.loads(sys.argv[1])
builder = SparkSession.builder.master("local[1]").config("spark.jars", ",".join(given["jars"]))
options = {
    "spark.ui.enabled": "false",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
    # Or it shows a table for half a minute as it was.
    "spark.sql.catalog.lake.cache-enabled": "false",
    "spark.sql.catalog.lake.io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
    "spark.sql.catalog.lake.s3.path-style-access": "true",
    "spark.sql.catalog.lake.client.region": given["catalog"]["s3.region"],
    **{f"spark.sql.catalog.lake.{name}": value for name, value in given["catalog"].items()},
}
for name, value in options.items():
    builder = builder.config(name, value)
spark = builder.getOrCreate()
print(json.dumps({"spark": spark.version}), flush=True)
for line in sys.stdin:
    try:
        answer = [row.asDict() for row in spark.sql(line).collect()]
        print(json.dumps({"answer": answer}, default=str), flush=True)
    except Exception as error:
        print(json.dumps({"error": str(error).splitlines()[0]}), flush=True)
