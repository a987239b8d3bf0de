"""Facts of a kind of board: what its data sheet says, and which data sheet that is."""

from __future__ import annotations

from pydantic import Field

from pipeline.config.base import Config


class Cluster(Config):
    """Cores of one type, in the order in which Linux numbers them."""

    cores: int = Field(ge=1)
    cpu: str = Field(pattern=r"^[a-z0-9-]+$", description="as QEMU and GCC call it: cortex-a76")
    max_mhz: int = Field(ge=1)


class System(Config):
    """An operating system that is usual on the board, and the Python it comes with."""

    os: str
    machine: str = Field(pattern=r"^(aarch64|armv7l|x86_64)$", description="of the user space")
    python: str = Field(pattern=r"^3\.\d+$")


class BoardFacts(Config):
    """The `[board]` table of a target file."""

    soc: str
    ram_mb: list[int] = Field(min_length=1, description="variants that are sold, MiB")
    isa: list[str] = Field(min_length=1, description="what matters for kernels, as in cpuinfo")
    cluster: list[Cluster] = Field(min_length=1)
    system: list[System] = []
    sources: list[str] = Field(min_length=1, description="title and publisher of each document")
