"""Dagster's daemon, which runs schedules and sensors, for as long as what started it lives.

Takes the words of `dagster-daemon`. Ends when its standard input does, be it by a kill of the
process that holds the other end.
"""

import os
import signal
import threading

from dagster._daemon.cli import main


def end_with_input() -> None:
    """Waits for the end of standard input, then ends this process as asked to."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    threading.Thread(target=end_with_input, daemon=True).start()
    main()
