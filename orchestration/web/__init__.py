"""What `andon ui` serves over HTTP, and to whom: pages, Dagster, and what protects both.

No process is started and no port opened here; `orchestration/web/serve.py` does.
"""
