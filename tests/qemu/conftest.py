from tests.source.conftest import short_directory, start_machine, two_disks

__all__ = ["short_directory", "start_machine", "two_disks"]
