"""Files as rows in bounded memory: lines, documents, CSV and Parquet, packed or not."""
