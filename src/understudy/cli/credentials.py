"""Secrets come from files or a prompt, never from arguments."""

import os
import signal
import stat
import sys
from importlib import import_module

import click

from understudy.engine import Credential, KeyFile, Passphrase
from understudy.errors import AccessDenied, InvalidRequest

_LONGEST = 4096


def read_passphrase(path: str) -> Passphrase:
    """The file's first line. `-` is stdin, so that another program can hand it over."""
    try:
        with sys.stdin.buffer if path == "-" else open(path, "rb") as source:
            line = source.readline(_LONGEST)
    except OSError as error:
        raise InvalidRequest(f"cannot read the passphrase file {path}: {error.strerror}") from None
    try:
        text = line.rstrip(b"\r\n").decode()
    except UnicodeDecodeError:
        raise InvalidRequest(f"the passphrase in {path} is not UTF-8 text") from None
    if not text:
        raise InvalidRequest(f"the passphrase file {path} is empty", hint="its first line is the passphrase")
    return Passphrase(text=text)


def asked_passphrase(prompt: str, *, twice: bool, instead: str) -> Passphrase:
    """Ask the person at the terminal; where nobody sits there, say what to give `instead`."""
    if not sys.stdin.isatty():
        raise AccessDenied("a key file or passphrase is needed, and there is no terminal to ask at", hint=instead)
    # It is loaded by the first prompt, after that is shown: a Ctrl-C that comes meanwhile can be lost between modules.
    import_module("getpass")
    # An event loop takes Ctrl-C for a request that it will look at later; at a prompt it must end the command now.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        text: str = click.prompt(prompt, hide_input=True, confirmation_prompt=twice, err=True)
    finally:
        signal.signal(signal.SIGINT, handler)
    return Passphrase(text=text)


def readable_by_others(path: str) -> bool:
    """Whether the permissions of a file that holds a secret let anybody but its owner read it; False if there is no such file."""
    try:
        mode = os.stat(path).st_mode
    except OSError:
        return False
    return stat.S_ISREG(mode) and bool(mode & (stat.S_IRGRP | stat.S_IROTH))


def new_credential(key_file: str | None, passphrase_file: str | None) -> Credential:
    """The credential of a key that is to be made."""
    if key_file and passphrase_file:
        raise InvalidRequest("both a key file and a passphrase file are given for the new key", hint="give one of the two")
    if key_file:
        return KeyFile(path=os.path.abspath(key_file))
    if passphrase_file:
        return read_passphrase(passphrase_file)
    return asked_passphrase("Passphrase of the new key", twice=True, instead="give --new-key-file or --new-passphrase-file")
