"""The last step of a disk: a new file gets its name, and what the file holds is put on record."""

from understudy.durable import sync_directory
from understudy.errors import TargetFailed
from understudy.recovery import standing as st
from understudy.recovery.disk_work import Staged
from understudy.recovery.failure import target_failed, written_meanwhile
from understudy.recovery.linux import rename_new
from understudy.recovery.standing import Identity, Standing, Subject


def publish(staged: Staged, subject: Subject, point: str) -> None:
    """`TargetFailed` if anybody else has written to it, when it has not got its name, or taken that. Of a device nothing is recorded."""
    opened, identity = staged.opened, staged.identity
    if identity is None:
        return
    if Identity.of(opened.file) != identity:
        raise written_meanwhile(opened.file)
    try:
        if opened.new:
            rename_new(opened.file, opened.path)
            sync_directory(opened.path.parent)
        now = Identity.of(opened.path)
    except FileExistsError as error:
        raise TargetFailed(
            f"{opened.path} has appeared meanwhile; it was left alone", hint=f"the restored image is whole and lies at {opened.file}"
        ) from error
    except OSError as error:
        raise target_failed(opened.path, "giving it its name", error) from error
    if (now.inode, now.size, now.mtime_ns) != (identity.inode, identity.size, identity.mtime_ns):
        raise written_meanwhile(opened.path)
    st.write(opened.path, Standing(subject=subject, holds=point, inode=now.inode, identity=now, proven=staged.proven))
