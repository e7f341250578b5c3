"""What `andon` can do, one module a group of commands; `orchestration.cli.main` puts them together."""
