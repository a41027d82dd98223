"""Files of a received item that were not fetched with it, because the item was too large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, BinaryIO, Protocol, Self

from scrm.channels.base import Credentials
from scrm.net.http import MEGABYTE

MAX_SIZE = 100 * MEGABYTE
"""The bytes of the largest file that is fetched on demand, as it is encoded in the item."""


@dataclass(frozen=True, slots=True)
class MissingFile:
    """One file.

    section: its number in the item, as in IMAP, such as "2.1". size: its bytes, as it is encoded.
    encoding: its content transfer encoding in lower case, such as "base64".
    """

    section: str
    name: str
    size: int
    content_type: str = ""
    encoding: str = ""

    @property
    def is_too_large(self) -> bool:
        return self.size > MAX_SIZE


@dataclass(frozen=True, slots=True)
class MissingFiles:
    """The files of one item, and the place of the item in the mailbox when it was read.

    size: the bytes of the whole item. uid: its UID, which is valid together with `validity`.
    """

    folder: str = ""
    validity: int = 0
    uid: int = 0
    size: int = 0
    files: Sequence[MissingFile] = ()

    @classmethod
    def read(cls, stored: Mapping[str, Any]) -> Self:
        files = tuple(MissingFile(**facts) for facts in stored.get("files", ()))
        return cls(**{**stored, "files": files})

    def stored(self) -> dict[str, Any]:
        return asdict(self) | {"files": [asdict(file) for file in self.files]}


class FetchFile(Protocol):
    def __call__(
        self,
        credentials: Credentials,
        missing: MissingFiles,
        section: str,
        key: str,
        out: BinaryIO,
    ) -> None:
        """Write the decoded content of one file to `out`.

        key: the key of the item. Raises ChannelError, also if the item is no longer there.
        """
        ...
