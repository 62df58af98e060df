"""One training on two processes: together they step as one process does with the batches of both."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from sdcolab.training.fleet import Alone, share_of

PROGRAM = """
import sys, torch
from torch import nn
from sdcolab.training.fleet import joined_fleet, share_of
with joined_fleet() as fleet:
    torch.manual_seed(0)
    layer = nn.Linear(4, 2)
    data = [torch.full((1, 4), float(number)) for number in range(4)]
    for batch in share_of(data, fleet):
        layer(batch).pow(2).mean().backward()
    fleet.average(layer.parameters())
    assert fleet.mean(float(fleet.rank)) == 0.5
    if fleet.rank == 0:
        torch.save([layer.weight.grad, layer.bias.grad], sys.argv[1])
"""


class Second(Alone):
    rank = 1
    count = 3


def test_batches_are_shared_evenly() -> None:
    assert share_of([1, 2, 3, 4], Alone()) == [1, 2, 3, 4]
    assert share_of([1, 2, 3, 4], Second()) == [2, 1]


@pytest.mark.lento
def test_two_processes_average_their_gradients(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environ = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "ACCELERATE_USE_CPU": "true",
        "OMP_NUM_THREADS": "1",
    }
    target = tmp_path / "g.pt"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(target)], env={**environ, "RANK": str(rank), "LOCAL_RANK": str(rank)}
        )
        for rank in range(2)
    ]
    assert [process.wait(240) for process in processes] == [0, 0]
    torch.manual_seed(0)
    layer = nn.Linear(4, 2)
    for number in range(4):
        (layer(torch.full((1, 4), float(number))).pow(2).mean() / 2).backward()
    for found, expected in zip(torch.load(target), (layer.weight.grad, layer.bias.grad), strict=True):
        torch.testing.assert_close(found, expected)
