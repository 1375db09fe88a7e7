"""What a runtime adds to the one that it extends: packages, by the program that gets them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Packages"]

# No address, no path and no option: a package comes from the machine's own index, and from nowhere else.
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_Pip = Annotated[str, Field(pattern=rf"^{_NAME}(\[[A-Za-z0-9._,-]+\])?\s*([<>=!~][^;@/\n]*)?$")]
_Npm = Annotated[str, Field(pattern=rf"^(@[a-z0-9._-]+/)?{_NAME}(@[^:/@\n]+)?$")]
_Apt = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$")]


class Packages(BaseModel):
    """Packages of Python, of Node and of Debian; each may name versions as its own program takes them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pip: tuple[_Pip, ...] = ()
    npm: tuple[_Npm, ...] = ()
    apt: tuple[_Apt, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.pip or self.npm or self.apt)
