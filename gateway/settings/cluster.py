"""Several machines that are one gateway."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Self

from pydantic import Field, field_validator, model_validator

from gateway.settings.section import Section

# With its process's name before it, it is a key of 40 characters.
NODE_CHARACTERS = 24


class ClusterSettings(Section):
    """How this machine takes part. Without ``listen_address`` it stands alone.

    ``advertise_address`` is where the other machines reach it, ``control_ports`` (``7400-7499``)
    the TCP ports at which its processes answer them, two for each; empty: any that are free.
    Of several machines with ``signalling`` one speaks and the others stand by; of those with
    ``analysis`` each has its part of the cameras.

    ``shard_mbps`` is what one media shard takes in, in Mbit/s. ``networks`` (``10.1.0.0/16``) are
    those in which this machine reaches cameras; empty: all.

    With ``ray_address`` (``10.1.2.3:6379``) its processes are actors of the Ray with that head.
    """

    node: str = Field(default="", pattern=rf"^([a-z0-9]([a-z0-9-]{{0,{NODE_CHARACTERS - 1}}}))?$")
    listen_address: str | None = None
    advertise_address: str | None = None
    networks: list[str] = Field(default=[])
    shard_mbps: float = Field(default=400.0, gt=0)
    ray_address: str | None = Field(default=None, pattern=r"^[^\s:/]+:\d{1,5}$")
    signalling: bool = True
    analysis: bool = True
    control_ports: str = Field(default="", pattern=r"^(\d{1,5}-\d{1,5})?$")

    @field_validator("listen_address", "advertise_address")
    @classmethod
    def _is_address(cls, address: str | None) -> str | None:
        return None if address is None else str(ipaddress.ip_address(address))

    @field_validator("networks")
    @classmethod
    def _are_networks(cls, networks: list[str]) -> list[str]:
        return [str(ipaddress.ip_network(network)) for network in networks]

    @field_validator("control_ports")
    @classmethod
    def _is_range(cls, ports: str) -> str:
        if ports:
            first, last = (int(port) for port in ports.split("-"))
            if not 1024 <= first <= last <= 65535:
                raise ValueError("cluster.control_ports: the first port, at least 1024, - the last")
        return ports

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.listen_address is None or self.advertise_address is not None:
            return self
        if ipaddress.ip_address(self.listen_address).is_unspecified:
            raise ValueError(
                "cluster.listen_address is every address of this machine: say in "
                "cluster.advertise_address which one the other machines shall use"
            )
        return self

    @property
    def reached_at(self) -> str | None:
        """The address that other machines are told."""
        return self.advertise_address or self.listen_address

    @property
    def port_range(self) -> range:
        """The ports to try, in order; 0 stands for any."""
        if not self.control_ports:
            return range(1)
        first, last = (int(port) for port in self.control_ports.split("-"))
        return range(first, last + 1)

    @property
    def node_name(self) -> str:
        """This machine's name: ``node``, else made of its host name."""
        if self.node:
            return self.node
        host = re.sub(r"[^a-z0-9]+", "-", socket.gethostname().partition(".")[0].lower())
        return host.strip("-")[:NODE_CHARACTERS] or "node"
