"""The models on a Spark cluster of this machine, over Delta tables, held against DuckDB's.

`make spark-test` runs it, in an environment of its own; sql/spark.md says what it shows.
"""
