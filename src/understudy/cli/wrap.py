"""`understudy wrap`."""

import asyncio
import os
from pathlib import Path

import click

from understudy.cli.output import Output
from understudy.cli.words import size


@click.command("wrap")
@click.argument("raw", metavar="DISK.raw", type=click.Path(path_type=Path))
@click.option("--to", required=True, metavar="DISK.qcow2", type=click.Path(path_type=Path), help="The wrapper, which must not exist yet.")
@click.option("--json", "as_json", is_flag=True, help="Answer in JSON on stdout, errors included.")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def command(raw: Path, to: Path, as_json: bool, debug: bool) -> None:
    """Give a raw disk a qcow2 image around it, in which a record of changes outlives a restart of the VM.

    The disk's bytes stay in DISK.raw, which is not touched; the VM must be shut down, and started from DISK.qcow2 from then on.
    """
    # Imported when it runs: the command line's other commands need none of it.
    from understudy.app import wrap

    out = Output(as_json)
    made, around = os.path.abspath(to), os.path.realpath(raw)
    length = asyncio.run(wrap(raw, to))
    out.document({"wrapper": made, "raw": around, "size": length})
    out.say(f"{made} is a disk of {size(length)} whose bytes are in {around}", style="bold")
    out.say("in the VM's definition, put it in the place of the raw file:")
    out.say(f"  -blockdev driver=qcow2,node-name=…,file.driver=file,file.filename={made}   (it was driver=raw)")
    out.say(f"  -drive file={made},format=qcow2   (it was format=raw)")
    out.say(f"  <driver name='qemu' type='qcow2'/> <source file='{made}'/>   (it was type='raw')")
    out.say(f"Never start the VM from {around} again while {made} is there, and keep both: neither is the disk without the other.")
