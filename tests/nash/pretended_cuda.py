"""A CUDA device where there is none: torch's fake tensors have shapes, dtypes and devices, but no values.

An operation between two devices is refused, as by a real one. Whoever asks a tensor for its values gets made-up ones,
or an error where nothing may wait for the device. A backward pass needs the driver: gradients are made up as well.
What only a real device can show (what a graph replays, bits, speed) is in test_cuda.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from searches.nash import execution
from searches.nash.network import Network

CUDA = torch.device("cuda:0")
FORWARD = Network.forward


class Waited(AssertionError):
    """A value was asked for where nothing may wait for the device."""


class Crossings(TorchDispatchMode):
    """Refuses copies from the device to the host where nothing may wait, and in a capture those to the device too."""

    def __init__(self, cuda):
        super().__init__()
        self.cuda = cuda

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if not self.cuda.may_wait:
            came, went = (
                {t.device.type for t in tree_leaves(tensors) if isinstance(t, Tensor) and (t.ndim or t.is_cuda)}
                for tensors in ((args, kwargs), result)
            )
            if (came == {"cuda"} and "cpu" in went) or (self.cuda.is_capturing and "cpu" in came | went):
                raise Waited(f"{operation} from {came} to {went}")
        return result


class PretendedCuda:
    """`may_wait`: whether a tensor may be asked for its values. `free_bytes` of the device's memory."""

    def __init__(self, free_bytes: int) -> None:
        self.free_bytes = free_bytes
        self.may_wait = True
        self.is_capturing = False
        self.captures = 0
        self.replays = 0
        self.network: Network | None = None
        """What the last forward pass was of."""

    def patches(self):
        yield from (patch.object(torch.cuda, name, value) for name, value in self._device().items())
        yield from (patch.object(Tensor, name, self._asked(value)) for name, value in VALUES.items())
        yield patch.object(Tensor, "backward", lambda loss: self._backward())
        yield patch.object(Tensor, "pin_memory", lambda tensor: tensor)
        # SGD asks once, when it is made, whether the learning rate is below 0.
        yield patch.object(Tensor, "__lt__", lambda tensor, other: bool(tensor.ndim) and torch.lt(tensor, other))
        yield patch.object(Tensor, "__deepcopy__", lambda tensor, _: tensor.clone())
        yield patch.object(nn.Parameter, "__deepcopy__", lambda p, _: nn.Parameter(p.detach().clone()))
        yield patch.object(nn.Module, "_apply", _applied)
        yield patch.object(Network, "forward", lambda network, x: self._forward(network, x))
        yield patch.object(execution, "balanced", lambda *_: 0.0)  # counts by torch.bincount, whose shape is a value
        yield FakeTensorMode(allow_non_fake_inputs=True)
        yield Crossings(self)

    def _device(self):
        cuda = self

        class Event:
            def record(self):
                """It has happened at once."""

            synchronize = record

            def query(self):
                return True

        class Stream:
            def wait_stream(self, _):
                """There is one stream."""

        class CUDAGraph:
            def replay(self):
                cuda.replays += 1

        @contextmanager
        def graph(_, stream):
            cuda.captures += 1
            cuda.may_wait, cuda.is_capturing = False, True
            try:
                yield
            finally:
                cuda.may_wait, cuda.is_capturing = True, False

        return {
            "device_count": lambda: 1,
            "get_device_capability": lambda _=None: (9, 0),
            "mem_get_info": lambda _=None: (self.free_bytes, self.free_bytes),
            "reset_peak_memory_stats": lambda _=None: None,
            "max_memory_allocated": lambda _=None: 2**20,
            "Event": Event,
            "Stream": Stream,
            "current_stream": Stream,
            "stream": lambda _: ExitStack(),
            "CUDAGraph": CUDAGraph,
            "graph": graph,
        }

    def _asked(self, value):
        def method(tensor, *_):
            if not self.may_wait:
                raise Waited(f"a value of a tensor on {tensor.device} is asked for")
            return value(tensor)

        return method

    def _forward(self, network, x):
        self.network = network
        return FORWARD(network, x)

    def _backward(self):
        for parameter in self.network.parameters():
            parameter.grad = torch.zeros_like(parameter)


VALUES = {
    "item": lambda tensor: 0.0,
    "__float__": lambda tensor: 0.0,
    "__int__": lambda tensor: 0,
    "__bool__": lambda tensor: True,
    "tolist": lambda tensor: np.zeros(tensor.shape).tolist(),
    "numpy": lambda tensor: np.zeros(tensor.shape, str(tensor.dtype).removeprefix("torch.")),
}


@contextmanager
def pretended_cuda(free_bytes: int = 2**34) -> Iterator[PretendedCuda]:
    """Within it there is CUDA, and every new tensor, on any device, is without values."""
    cuda = PretendedCuda(free_bytes)
    library = torch.library.Library("aten", "IMPL", "Meta")
    library.impl("_fused_sgd_.tensor_lr", _fused_sgd)
    with ExitStack() as stack:
        stack.callback(library._destroy)
        for change in cuda.patches():
            stack.enter_context(change)
        yield cuda


def _fused_sgd(parameters, gradients, momenta, *, lr, **_):
    """torch has none for tensors without values. Its CUDA kernel asks for one device, dtype and layout."""
    for group in zip(parameters, gradients, momenta, strict=True):
        assert len({(t.dtype, t.shape, t.stride()) for t in group}) == 1


def _applied(module, change, recurse=True):
    """As Module._apply, which exchanges what lies within its tensors; fake ones cannot."""
    for child in module.children():
        _applied(child, change)
    for name, parameter in module._parameters.items():
        if parameter is not None:
            module._parameters[name] = nn.Parameter(change(parameter.detach()), parameter.requires_grad)
    for name, buffer in module._buffers.items():
        module._buffers[name] = change(buffer)
    return module
