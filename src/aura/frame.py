"""Results with named columns, as tables of pandas or Arrow."""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from aura.errors import MissingError


class Frame(ABC):
    """Something with one row per hop; `columns` names what a row has."""

    @abstractmethod
    def columns(self) -> dict[str, np.ndarray]:
        """The columns by name, all of one length."""

    def to_pandas(self) -> Any:
        """The columns as a `pandas.DataFrame`."""
        try:
            import pandas
        except ImportError:
            raise _needs("pandas") from None
        return pandas.DataFrame(self.columns())

    def to_arrow(self) -> Any:
        """The columns as an Arrow table; pyarrow and polars take it too."""
        try:
            from arro3.core import Array, Table
        except ImportError:
            raise _needs("arro3-core") from None
        return Table.from_pydict({
            name: Array.from_numpy(np.ascontiguousarray(column))
            for name, column in self.columns().items()})


def _needs(package: str) -> MissingError:
    return MissingError(
        "package.missing", f"this needs the package {package}",
        f"pip install {package}")
