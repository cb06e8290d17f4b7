"""What is guessed of this machine's devices before a training was timed. Loads no torch."""

from searches.nash.devices import cpu_bfloat16
from searches.selectors.pace import Machine
from searches.slots import usable_cores

FLOPS = {"amx": 450e9, "avx512bf16": 175e9, None: 70e9}
"""Operations a second of a training on one core, by how it computes bfloat16, beside CPU_BATCH_SECONDS.

AVX512-BF16: fitted to 43 trainings of digits and CIFAR-10 in batches of 32, which it meets to 16 % (rms);
AMX: networks A and B of `make bench`; without either a guess.
"""
CUDA_FLOPS = 5e12
CPU_BATCH_SECONDS, CUDA_BATCH_SECONDS = 0.0022, 0.002
NAMES = {"amx": " with fast bfloat16 (AMX)", "avx512bf16": " with fast bfloat16 (AVX512-BF16)", None: ""}


def machine_of(device: str, precision: str = "auto") -> Machine:
    """This machine's cores, or the GPU where `device` is "cuda"."""
    if device == "cuda":
        return Machine(1, CUDA_FLOPS, CUDA_BATCH_SECONDS, "CUDA device")
    kind = None if precision == "float32" else cpu_bfloat16()
    n_cores = len(usable_cores())
    cores = "1 core" if n_cores == 1 else f"{n_cores} cores"
    return Machine(n_cores, FLOPS.get(kind, FLOPS[None]), CPU_BATCH_SECONDS, f"{cores}{NAMES.get(kind, '')}")
