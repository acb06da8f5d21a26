"""Probes of the machine: room on disk, memory, load. Shares lie between 0 and 1."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Final

import psutil

from grace.model.catalogue import Answers, ProbeSpec
from grace.model.quantities import AbsolutePath
from grace.model.reading import Known, Unknown
from grace.sense.collectors import Probe
from grace.sense.collectors.meters import ProbeParameters, Reads, TypedProbe, by_name, unknown
from grace.sense.collectors.viewpoint import Viewpoint

_LIMIT_S: Final = 5.0


class Nothing(ProbeParameters):
    """No parameters."""


class OnDisk(ProbeParameters):
    """Any path on the file system that is meant."""

    path: AbsolutePath


class HostCollector:
    """`host.disk_free_share`, `host.inodes_free_share`, `host.memory_available_share` and `host.load_per_core`."""

    def __init__(self, viewpoint: Viewpoint) -> None:
        """Take what every collector is given; nothing of it is needed here."""

    @property
    def probes(self) -> Mapping[str, Probe]:
        return by_name(
            [
                _of_disk(
                    "host.disk_free_share", "The share of the file system's bytes that anyone may use.", _free_bytes
                ),
                _of_disk(
                    "host.inodes_free_share", "The share of the file system's inodes that are free.", _free_inodes
                ),
                _of_machine(
                    "host.memory_available_share", "The share of memory that can be had without swapping.", _memory
                ),
                _of_machine("host.load_per_core", "The load average of one minute, for each core.", _load),
            ]
        )

    def close(self) -> None:
        """End nothing: nothing was started."""


def _of_disk(name: str, summary: str, measure: Callable[[os.statvfs_result], Known | Unknown]) -> Probe:
    def read(path: str) -> Known | Unknown:
        try:
            return measure(os.statvfs(path))
        except OSError as error:
            return unknown(f"{path}: {error.strerror}")

    spec = ProbeSpec(name, summary, OnDisk, Answers.NUMBER)
    return TypedProbe(spec, OnDisk, lambda given: Reads(_LIMIT_S, lambda: read(given.path)))


def _of_machine(name: str, summary: str, measure: Callable[[], Known | Unknown]) -> Probe:
    return TypedProbe(ProbeSpec(name, summary, Nothing, Answers.NUMBER), Nothing, lambda _: Reads(_LIMIT_S, measure))


def _free_bytes(status: os.statvfs_result) -> Known | Unknown:
    if status.f_blocks == 0:
        return unknown("the file system does not say how large it is")
    return Known(value=status.f_bavail / status.f_blocks)


def _free_inodes(status: os.statvfs_result) -> Known | Unknown:
    if status.f_files == 0:
        return unknown("the file system does not count inodes")
    return Known(value=status.f_favail / status.f_files)


def _memory() -> Known | Unknown:
    memory = psutil.virtual_memory()
    return Known(value=memory.available / memory.total)


def _load() -> Known | Unknown:
    return Known(value=os.getloadavg()[0] / (os.cpu_count() or 1))
