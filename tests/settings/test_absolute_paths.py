"""A path is kept as the library writes it, whether or not it had to be taken apart for that."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from grace.model.quantities import AbsolutePath

PATH = TypeAdapter[str](AbsolutePath)


@given(st.text(alphabet="/.a \n\0", max_size=12))
@example("/srv/shop/orders.db")
@example("//srv")
@example("/srv/./shop/")
@example("/srv/../etc")
@example("/")
@example("/...")
def test_an_absolute_path_without_steps_back_is_kept_in_its_plain_form(written: str) -> None:
    path = PurePosixPath(written)
    if path.is_absolute() and ".." not in path.parts and "\0" not in written:
        assert PATH.validate_python(written) == str(path)
    else:
        with pytest.raises(ValidationError, match="not an absolute path"):
            PATH.validate_python(written)
