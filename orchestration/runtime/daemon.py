"""Dagster's daemon, which runs schedules and sensors, for as long as its parent process lives.

Takes the arguments of `dagster-daemon`. Ends when its standard input is closed, which also happens
when the process at the other end is killed; then it ends the code servers of its workspace too,
which wait 45 s for a sign of life.
"""

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

import yaml
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._daemon.cli import main
from dagster._grpc.client import DagsterGrpcClient


def end_with_input(workspace: Path) -> None:
    """Waits for the end of standard input, then ends the code servers and this process."""
    while os.read(0, 1024):
        pass
    with contextlib.suppress(FileNotFoundError):
        end_code_servers(workspace)
    os.kill(os.getpid(), signal.SIGTERM)


def end_code_servers(workspace: Path) -> None:
    """Asks the code servers of a workspace to end once their runs have ended."""
    for server in yaml.safe_load(workspace.read_bytes())["load_from"]:
        client = DagsterGrpcClient(socket=server["grpc_server"]["socket"])
        with contextlib.suppress(DagsterUserCodeUnreachableError):
            client.shutdown_server()


if __name__ == "__main__":
    workspace = Path(sys.argv[sys.argv.index("-w") + 1])
    threading.Thread(target=end_with_input, args=(workspace,), daemon=True).start()
    main()
