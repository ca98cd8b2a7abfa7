"""Parquet files whose columns may turn out wider than in their first batch: decimals after integers."""

import contextlib
from collections.abc import Callable
from typing import Any

from agnostic_ig.exceptions import InvalidInputError
from agnostic_ig.streaming.atomic import AtomicFile
from agnostic_ig.streaming.source import Frame, first_line
from agnostic_ig.validation import import_optional

__all__ = ["ParquetSink"]


class ParquetSink:
    """Appends frames as row groups; starts a new file and copies the old one where a type must change."""

    def __init__(self, new_file: Callable[[], AtomicFile]) -> None:
        self._arrow = import_optional("pyarrow", extra="app", purpose="Writing Parquet files")
        self._parquet = import_optional("pyarrow.parquet", extra="app", purpose="Writing Parquet files")
        self._new_file = new_file
        self.file = new_file()
        self._writer: Any = None
        self._schema: Any = None
        self._undecided: set[str] = set()

    def write(self, frame: Frame) -> None:
        """Append rows."""
        table = self._table(frame)
        empty = {name for name in table.column_names if table[name].null_count == len(table)}
        schema = self._common_schema(table.schema, empty)
        if self._writer is None:
            self._writer = self._new_writer(schema)
        elif schema != self._schema:
            self._copy_to(schema)
        self._schema = schema
        self._writer.write_table(_fitted(table, schema, self._arrow))

    def finish(self) -> None:
        """Write the footer; the stream stays open."""
        self._writer.close()

    def discard(self) -> None:
        """Close and remove the unfinished file."""
        if self._writer is not None:
            # A broken disk fails again here; the first error is the one to report.
            with contextlib.suppress(OSError, ValueError, self._arrow.ArrowException):
                self._writer.close()
        self.file.discard()

    def _table(self, frame: Frame) -> Any:
        try:
            table = self._arrow.Table.from_pandas(frame, preserve_index=False)
        except (self._arrow.ArrowException, TypeError) as error:
            # The last word of Arrow's on it names the column.
            reason = first_line(error.args[-1] if error.args else error)
            raise InvalidInputError(f"A column cannot be saved as Parquet: {reason}") from error
        # Categories differ from batch to batch, and pandas's notes about its types with them.
        types = [_plain(field.type, self._arrow) for field in table.schema]
        return table.cast(self._arrow.schema(zip(table.column_names, types, strict=True)))

    def _common_schema(self, new: Any, empty: set[str]) -> Any:
        """Types that hold what was written and what comes now; all-missing columns go along with anything."""
        if self._schema is None:
            self._undecided = empty
            return new
        types = {}
        for name in new.names:
            old_type, new_type = self._schema.field(name).type, new.field(name).type
            if name in empty:
                types[name] = old_type
            elif name in self._undecided:
                types[name] = new_type
            else:
                types[name] = _wider(name, old_type, new_type, self._arrow)
        self._undecided &= empty
        return self._arrow.schema(types.items())

    def _new_writer(self, schema: Any) -> Any:
        return self._parquet.ParquetWriter(self.file.stream, schema, write_page_checksum=True)

    def _copy_to(self, schema: Any) -> None:
        self._writer.close()
        old, self.file = self.file, self._new_file()
        try:
            old.stream.flush()
            self._writer = self._new_writer(schema)
            with self._parquet.ParquetFile(old.temporary) as written:
                for batch in written.iter_batches():
                    table = self._arrow.Table.from_batches([batch])
                    self._writer.write_table(_fitted(table, schema, self._arrow))
        finally:
            old.discard()


def _plain(arrow_type: Any, arrow: Any) -> Any:
    """Categories as the values that they stand for."""
    return arrow_type.value_type if arrow.types.is_dictionary(arrow_type) else arrow_type


def _wider(name: str, old: Any, new: Any, arrow: Any) -> Any:
    """The type that holds the values of both."""
    if old == new:
        return old
    is_text = [arrow.types.is_string(one) or arrow.types.is_large_string(one) for one in (old, new)]
    if all(is_text):
        return arrow.large_string()
    kinds = [arrow.types.is_integer(one) + 2 * arrow.types.is_floating(one) for one in (old, new)]
    if not all(kinds):
        raise InvalidInputError(f"Column {name!r} holds {old} in the first batches and {new} in a later one.")
    return arrow.int64() if kinds == [1, 1] else arrow.float64()


def _fitted(table: Any, schema: Any, arrow: Any) -> Any:
    """The table with the types of the schema."""
    columns = []
    for field in schema:
        column = table[field.name]
        is_empty = column.null_count == len(column)
        try:
            columns.append(arrow.nulls(len(column), field.type) if is_empty else column.cast(field.type))
        except arrow.ArrowInvalid as error:
            raise InvalidInputError(
                f"Column {field.name!r} cannot be saved as {field.type}: {first_line(error)}"
            ) from error
    return arrow.table(columns, schema=schema)
