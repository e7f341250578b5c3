"""What runs need: the executor, dbt, partitions, metadata, progress."""
