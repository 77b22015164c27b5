"""What is said, and with which exit code, when a command fails."""

import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import click

from understudy.errors import OutputFailed, UnderstudyError

INTERRUPTED = 130
BROKEN_PIPE = 141

_MEANINGS = {
    0: "done",
    2: "the request makes no sense",
    3: "vault, machine, disk or point not found",
    4: "not possible in the present state, or busy",
    5: "no key opens with this credential, or its role lacks the right",
    6: "stored bytes are damaged, or the vault was rolled back",
    7: "fenced: another site is the machine's primary now",
    8: "another process writes this machine's log in our place",
    9: "in doubt: the store did not say; settled on the next run",
    10: "the vault's store cannot be reached, or the quota there is used up",
    11: "the vault's store refuses, or lies",
    12: "the VM or its disks cannot be reached",
    13: "this VM cannot be replicated safely as it is",
    14: "the image or device being written failed",
    15: "a library, tool or version is missing",
    16: "the state directory cannot be read or written",
    17: "the daemon does not answer",
    18: "too much at once for the daemon",
    19: "a recovery plan ended before all was done",
    20: "the answer cannot be written to where stdout goes",
    70: "a fault in understudy itself",
    INTERRUPTED: "interrupted",
    BROKEN_PIPE: "the reader of the output went away",
}


def exit_codes() -> str:
    """The table for people, as click keeps it (`\\b`: not re-wrapped)."""
    return "\b\nExit codes:\n" + "\n".join(f"  {code:>3}  {meaning}" for code, meaning in _MEANINGS.items())


def reported(words: Sequence[str], body: Callable[[], None]) -> int:
    """Run `body`; whatever it raises is told on stderr, or with `--json` among `words` as a document on stdout.

    An exception that is no UnderstudyError is a fault of ours: one line, with its traceback kept in a file (`--debug` shows it).
    """
    as_json = "--json" in words
    debug = "--debug" in words
    code = 0
    try:
        try:
            body()
        except click.exceptions.Exit as end:
            code = end.exit_code
        sys.stdout.flush()
    except UnderstudyError as error:
        if debug:
            traceback.print_exc()
        return _said(as_json, error.code, error.message, error.hint, error.retryable, error.exit_code)
    except click.ClickException as error:
        hint = ""
        if isinstance(error, click.UsageError) and error.ctx is not None:
            hint = f"try `{error.ctx.command_path} --help`"
        return _said(as_json, "invalid_request", error.format_message(), hint, False, 2)
    except (click.Abort, KeyboardInterrupt):
        return _quietly(INTERRUPTED, lambda: print("interrupted", file=sys.stderr))
    except BrokenPipeError:
        return _deaf()
    except Exception as error:
        # The outermost frame: a fault of our own ends with words and its own exit code, never with a bare traceback.
        text = traceback.format_exc()
        if debug:
            sys.stderr.write(text)
            hint = "this is a fault in understudy"
        else:
            hint = f"this is a fault in understudy; {_kept(text)} (--debug shows the traceback)"
        return _said(as_json, UnderstudyError.code, f"{type(error).__name__}: {error}", hint, False, UnderstudyError.exit_code)
    return code


def failure_document(error: UnderstudyError) -> dict[str, Any]:
    """The body of an error under `--json`."""
    return _document(error.code, error.message, error.hint, error.retryable, error.exit_code)


def _document(code: str, message: str, hint: str, retryable: bool, exit_code: int) -> dict[str, Any]:
    return {"code": code, "message": message, "hint": hint, "retryable": retryable, "exit_code": exit_code}


def _said(as_json: bool, code: str, message: str, hint: str, retryable: bool, exit_code: int) -> int:
    def say() -> None:
        if as_json:
            with suppress(OutputFailed):  # then in words
                print(json.dumps({"error": _document(code, message, hint, retryable, exit_code)}), flush=True)
                return
        print(f"error: {message}", file=sys.stderr)
        if hint:
            print(f"hint: {hint}", file=sys.stderr)

    return _quietly(exit_code, say)


def _quietly(exit_code: int, say: Callable[[], None]) -> int:
    """`exit_code` once it is said, if anyone still listens."""
    try:
        say()
        sys.stdout.flush()
    except BrokenPipeError:
        return _deaf()
    except (OSError, OutputFailed):
        # The file that stdout is, or stderr, takes no more.
        _deaf()
    return exit_code


def _deaf() -> int:
    """Nobody reads stdout any more: what is still buffered goes nowhere, or the interpreter would complain while it shuts down."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return BROKEN_PIPE


def _kept(text: str) -> str:
    try:
        descriptor, path = tempfile.mkstemp(prefix="understudy-traceback-", suffix=".txt")
        with os.fdopen(descriptor, "w") as out:
            out.write(text)
    except OSError as error:
        return f"the traceback could not be kept in {tempfile.gettempdir()}: {error.strerror}"
    return f"the traceback is in {path}"
