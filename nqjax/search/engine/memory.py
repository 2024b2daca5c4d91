"""The memory that training may take."""

from __future__ import annotations

import jax

from nqjax.runtime.memory import available

#: The share of the free memory that training may use.
_USABLE_SHARE = 0.7

#: Bytes of an accelerator that does not report its memory.
_DEVICE_DEFAULT = 2**33


def free(device: jax.Device) -> int:
    """Return the bytes that training may use on a device, or on all CPU devices together."""
    if device.platform == "cpu":
        return int(_USABLE_SHARE * available())
    stats = device.memory_stats() or {}
    return int(_USABLE_SHARE * (stats.get("bytes_limit", _DEVICE_DEFAULT) - stats.get("bytes_in_use", 0)))
