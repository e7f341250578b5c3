"""How runs are executed: the executor, dbt, partitions, metadata, progress."""
