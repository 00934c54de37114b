"""How every command of the program ends: exit 0 done, 1 failed, 2 wrong usage; one clear message.

A user's mistake never shows a traceback.  Ctrl-C and a full disk are failures like others, and a
reader that closed standard output early (`| head`) is none.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence

from .errors import ConfigError

__all__ = ["run_command"]


def run_command(
    main: Callable[[], int | None],
    *,
    failures: Sequence[type[Exception]] = (),
    usage_errors: Sequence[type[Exception]] = (),
) -> int:
    """Call `main` and turn what it raises into a message on stderr and an exit status.

    Parameters
    ----------
    main
        The command; its return value is the exit status (None is 0).
    failures
        Error roots of the rooms the command uses: message, exit status 1.
    usage_errors
        Errors that mean the command was asked for something that cannot exist: exit status 2.
        `hw.errors.ConfigError` always is one.
    """
    wrong_usage: tuple[type[Exception], ...] = (ConfigError, *usage_errors)
    failed: tuple[type[Exception], ...] = tuple(failures)
    try:
        status = main() or 0
        sys.stdout.flush()
        return status
    except wrong_usage as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except failed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(
            "interrupted: what was finished is kept; run the command again to go on",
            file=sys.stderr,
        )
        return 1
    except BrokenPipeError:
        # The reader has gone; give the interpreter nothing left to flush.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        advice = "; free some space and run again" if error.errno == errno.ENOSPC else ""
        print(f"error: {error.strerror or error}{where}{advice}", file=sys.stderr)
        return 1
