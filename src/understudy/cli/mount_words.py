"""A mount in words."""

from understudy.cli.output import Output, columns
from understudy.cli.words import age, local_time, size
from understudy.engine import Mount, Volume


def told(out: Output, mount: Mount) -> None:
    """What is where, and what can be done with what is not."""
    out.say(
        f"{mount.name}: {mount.machine} as of {local_time(mount.frozen_at)} ({age(mount.frozen_at)}), point {mount.number}; "
        f"`understudy unmount {mount.name}` ends it",
        style="bold",
    )
    table = columns("disk", "size", "what", "label", "files", right=("size",), wrapped=("files",))
    for volume in mount.volumes:
        table.add_row(_place(volume), size(volume.size), volume.kind, volume.label, volume.path or volume.note)
    out.table(table)
    for volume in mount.volumes:
        if volume.hint:
            out.say(f"{_place(volume)}: {volume.note}")
            out.say(f"  {volume.hint}")


def _place(volume: Volume) -> str:
    return f"{volume.disk}, partition {volume.partition}" if volume.partition else volume.disk
