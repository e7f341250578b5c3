"""The process `andon`, until its commands are imported: a signal then ends it at once.

Afterwards `main` handles signals.
"""

import signal
from typing import NoReturn


def run() -> NoReturn:
    """Runs a command with the process's arguments.

    Python's own handler of Ctrl-C would print the traceback of whichever import it met.
    """
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from orchestration.cli import main

    main.run()
