"""Which of QEMU's options a definition may add.

A definition comes with a point, and whoever holds a source's keys can write one: it must not reach beyond the machine, to the host's files,
processes or networks. So this is a list of what may be, not of what may not; all else belongs to the driver.
"""

import re
from collections.abc import Sequence

DEVICES = (
    *("virtio-rng-pci", "virtio-balloon-pci", "i6300esb", "pvpanic", "vmcoreinfo", "vmgenid", "intel-iommu"),
    *("qemu-xhci", "nec-usb-xhci", "piix3-usb-uhci", "ich9-usb-ehci1", "ich9-usb-uhci1", "ich9-usb-uhci2", "ich9-usb-uhci3"),
    *("usb-tablet", "usb-kbd", "usb-mouse", "pcie-pci-bridge"),
)
"""Devices that stand for themselves: nothing of the host is behind them but time, chance and memory."""

_CLOCK = r"(base=(utc|localtime|[0-9T:-]+)|clock=(host|rt|vm)|driftfix=(none|slew))"
_PATTERNS = {
    "-rtc": rf"{_CLOCK}(,{_CLOCK})*",
    "-global": r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+=[A-Za-z0-9_.-]*",
    "-boot": r"[a-z]+=[a-z0-9]+(,[a-z]+=[a-z0-9]+)*",
    "-smbios": r"type=[0-9]+(,(?!file=|path=)[a-z_-]+=([^,]|,,)*)*",
    "-device": rf"({'|'.join(DEVICES)})(,(?!romfile=|rng=)[a-z0-9_-]+=[A-Za-z0-9_.:-]*)*",
}
ALLOWED = tuple(_PATTERNS)
_FORBIDDEN_GLOBALS = re.compile(r".*\.(romfile|filename|path|drive|chardev|netdev|script|mem-path)=")


def objections(extra: Sequence[str]) -> list[str]:
    """Why these options may not be given, one sentence each; empty if they may."""
    if len(extra) % 2:
        return ["extra options come in pairs: an option and its value"]
    found = []
    for option, value in zip(extra[::2], extra[1::2], strict=True):
        pattern = _PATTERNS.get(option)
        if pattern is None:
            found.append(
                f"{option} may not be given: it belongs to understudy, or reaches beyond the machine; what may be: {', '.join(ALLOWED)}"
            )
        elif not re.fullmatch(pattern, value) or (option == "-global" and _FORBIDDEN_GLOBALS.match(value)):
            found.append(
                f"{option} {value} may not be given" + (f"; devices that may be: {', '.join(DEVICES)}" if option == "-device" else "")
            )
    return found
