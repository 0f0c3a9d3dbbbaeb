"""The key of a site, and what it agrees on with the keys of other sites."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, NoReturn, Self

from skdpflow.exceptions import FederationError

_MISSING = "Federations need the package 'cryptography': install skdpflow[federated]."
_FORMAT = "skdpflow-federation-keys"


def _x25519() -> Any:
    """Import the key exchange where it is needed, since it is an extra."""
    try:
        from cryptography.hazmat.primitives.asymmetric import x25519
    except ImportError as e:
        raise ImportError(_MISSING) from e
    return x25519


class Keys:
    """The name and the private key of a site.

    Parameters
    ----------
    name : str
        Public name of the site.
    private : bytes
        Private X25519 key of 32 bytes: whoever has it can take the masks off the answers of this site.

    Attributes
    ----------
    name : str
        Public name of the site.

    See Also
    --------
    skdpflow.federation.Agreement : Holds the public keys.

    Examples
    --------
    >>> from skdpflow.federation import Keys
    >>> keys = Keys.generate("north")
    >>> keys.name, len(bytes.fromhex(keys.public))
    ('north', 32)
    """

    def __init__(self, name: str, private: bytes) -> None:
        self.name = check_name(name)
        if not isinstance(private, bytes) or len(private) != 32:
            raise FederationError("A private key must be 32 bytes, as Keys.generate makes them.")
        self._private = _x25519().X25519PrivateKey.from_private_bytes(private)

    @classmethod
    def generate(cls, name: str) -> Self:
        """Make new keys from the entropy of the operating system.

        Parameters
        ----------
        name : str
            Public name of the site.

        Returns
        -------
        keys : Keys
        """
        return cls(name, os.urandom(32))

    @property
    def public(self) -> str:
        """The public key, in hexadecimal digits: give it to those who write the agreement."""
        return str(self._private.public_key().public_bytes_raw().hex())

    def agreed(self, public: str) -> bytes:
        """Return the secret that this site shares with the holder of another key.

        Parameters
        ----------
        public : str
            The other public key.

        Returns
        -------
        secret : bytes
            32 bytes that only the two can compute.
        """
        problem = None
        try:
            return bytes(self._private.exchange(_x25519().X25519PublicKey.from_public_bytes(bytes.fromhex(public))))
        except ValueError as e:
            problem = type(e).__name__
        raise FederationError(f"A public key of the agreement is no X25519 key ({problem}).")

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write the keys to a new file that only its owner may read.

        Parameters
        ----------
        file : path
            Where to write; an older file is not overwritten.
        """
        text = json.dumps({"format": _FORMAT, "name": self.name, "private": self._private.private_bytes_raw().hex()})
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as opened:
            opened.write(text)

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Self:
        """Read keys that `save` wrote.

        Parameters
        ----------
        file : path
            What to read.

        Returns
        -------
        keys : Keys
        """
        name, private = "", None
        try:
            content = json.loads(Path(file).read_text())
            if content["format"] == _FORMAT:
                name, private = content["name"], bytes.fromhex(content["private"])
        except (ValueError, KeyError, TypeError):  # their messages may show the key
            pass
        if private is None:
            raise FederationError(f"{Path(file).name!r} holds no keys of a site: make them with Keys.generate.")
        return cls(name, private)

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("Keys cannot be pickled or copied; use save and load.")

    def __repr__(self) -> str:
        return f"Keys({self.name!r}, <private>)"


def check_name(name: object) -> str:
    """Return the name of a site, which is a part of names of files."""
    if (
        not isinstance(name, str)
        or not 0 < len(name) <= 64
        or not all(c.isascii() and (c.isalnum() or c in "-_") for c in name)
    ):
        raise FederationError(f"The name of a site must be 1 to 64 letters, digits, '-' or '_' of ASCII. Got {name!r}.")
    return name
