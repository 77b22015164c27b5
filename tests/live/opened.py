"""Files of Debian packages, which are opened and not installed; the first time that needs a network."""

import re
import shutil
import tempfile
from pathlib import Path

from understudy.demo.kit import default_directory
from understudy.demo.packages import PackageSource, read_members


def opened(package: str, place: str, *names: str) -> Path:
    """The directory `place` beside the kit's own parts, with the package's files of these names."""
    directory = default_directory() / place
    if not all((directory / name).exists() for name in names):
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="apt-", dir=directory) as scratch:
            source = PackageSource(Path(scratch))
            source.refresh()
            wanted = re.compile(rf".*/({'|'.join(map(re.escape, names))})").fullmatch
            for path, content in read_members(source.download(package, Path(scratch) / "packages"), wanted).items():
                staged = Path(scratch) / Path(path).name
                staged.write_bytes(content)
                staged.chmod(0o755)
                shutil.move(staged, directory / staged.name)
    return directory
