"""What `andon` can do, one module a group of commands; `orchestration.cli` puts them together."""
