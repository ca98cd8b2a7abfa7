"""Tables larger than memory, read and written batch by batch."""

from agnostic_ig.streaming.table_writer import TableWriter
from agnostic_ig.streaming.tables import Table, open_table, read_table

__all__ = ["Table", "TableWriter", "open_table", "read_table"]
