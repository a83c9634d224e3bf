"""What all tables have in common: how their columns hold what Python has, and how their indexes are named."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, LargeBinary, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator


class CleanText(TypeDecorator[str]):
    """Text that Postgres can hold: NUL, which it refuses, becomes U+FFFD."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's signature
        """Replace what Postgres refuses."""
        return value if value is None else value.replace("\x00", "\ufffd")


class Table(DeclarativeBase):
    """All tables of ours; procrastinate's come from its own schema."""

    metadata = MetaData(
        naming_convention={
            "ix": "%(table_name)s_%(column_0_N_name)s_idx",
            "uq": "%(table_name)s_%(column_0_N_name)s_key",
            "pk": "%(table_name)s_pkey",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's name
        datetime: DateTime(timezone=True),
        str: CleanText,
        int: BigInteger,
        dict[str, Any]: JSONB,
        list[Any]: JSONB,
        bytes: LargeBinary,
    }
