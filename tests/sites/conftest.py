from tests.live.conftest import accelerator, kit, short_directory

__all__ = ["accelerator", "kit", "short_directory"]
