"""Dagster's daemon, which runs schedules and sensors, for as long as its parent process lives.

Takes the arguments of `dagster-daemon`. Ends when its standard input is closed, which also happens
when the process at the other end is killed.
"""

import os
import signal
import threading

from dagster._daemon.cli import main


def end_with_input() -> None:
    """Waits for the end of standard input, then sends this process SIGTERM."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    main()
