"""Reads and writes weights files: float16 safetensors, refused unless whole and of the right architecture.

Does not decide what the figures on the card are, nor when to train.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from operators.models.cards import Architecture, ModelCard, read_card
from operators.models.errors import ModelFileError
from operators.models.network import CentreNet, channels_last, folded_network

_RESTORE = "restore the file from the distribution or train the model again with `skylane train`"


def file_digest(content: bytes) -> str:
    """BLAKE2b (32 bytes, hex) of a weights file."""
    return hashlib.blake2b(content, digest_size=32).hexdigest()


def save_weights(network: CentreNet, path: Path) -> str:
    """Writes a folded network as float16; returns the file's digest. Metadata: architecture and tensors' SHA-256."""
    tensors = {name: value.detach().half().contiguous() for name, value in network.state_dict().items()}
    metadata = {
        "architecture": msgspec.json.encode(network.architecture).decode(),
        "sha256": _tensor_sha256(tensors),
        "version": str(network.architecture.version),
    }
    content = save(tensors, metadata=metadata)
    path.write_bytes(content)
    return file_digest(content)


def load_network(size: str, weights: Path, *, architecture: Architecture) -> tuple[CentreNet, ModelCard]:
    """The network of ``weights`` with its card from the ``cards.json`` beside it, ready for inference.

    Raises ModelFileError, naming the file, when it is missing, has not the length or digest of its card, holds another
    architecture or version, or holds values that are not finite.
    """
    card = read_card(size, weights.parent)
    content = _read(weights)
    if len(content) != card.size_bytes:
        raise ModelFileError(
            f"the model file has {len(content)} bytes, its card says {card.size_bytes}: cut short or replaced",
            where=str(weights),
            hint=_RESTORE,
        )
    if file_digest(content) != card.blake2b:
        raise ModelFileError(
            "the model file differs from its card: the BLAKE2b digest does not match", where=str(weights), hint=_RESTORE
        )
    _check_header(content, weights, architecture)
    network = folded_network(architecture)
    try:
        tensors = {name: value.float() for name, value in load(content).items()}
        network.load_state_dict(tensors)
    except (SafetensorError, RuntimeError) as error:
        first_line = str(error).splitlines()[0]
        raise ModelFileError(
            f"the model file does not fit the {size} architecture: {first_line}", where=str(weights), hint=_RESTORE
        ) from None
    if not all(bool(torch.isfinite(value).all()) for value in tensors.values()):
        raise ModelFileError("the model file holds values that are not finite", where=str(weights), hint=_RESTORE)
    network.requires_grad_(False)
    return channels_last(network).eval(), card


def _read(weights: Path) -> bytes:
    try:
        return weights.read_bytes()
    except OSError as error:
        raise ModelFileError(
            f"the model file cannot be read: {error.strerror}", where=str(weights), hint=_RESTORE
        ) from None


def _check_header(content: bytes, weights: Path, architecture: Architecture) -> None:
    """Compares the architecture in the file's own metadata, so that a swapped file is named, not merely misloaded."""
    try:
        length = int.from_bytes(content[:8], "little")
        header = msgspec.json.decode(content[8 : 8 + length])
        stored = msgspec.json.decode(header["__metadata__"]["architecture"], type=Architecture)
    except (msgspec.DecodeError, KeyError, TypeError) as error:
        raise ModelFileError(
            f"the model file has no readable architecture in its header: {error}", where=str(weights), hint=_RESTORE
        ) from None
    if stored != architecture:
        differing = [
            f"{name} is {getattr(stored, name)}, not {getattr(architecture, name)}"
            for name in Architecture.__struct_fields__
            if getattr(stored, name) != getattr(architecture, name)
        ]
        raise ModelFileError(
            f"the model file holds another architecture: {'; '.join(differing)}", where=str(weights), hint=_RESTORE
        )


def _tensor_sha256(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
