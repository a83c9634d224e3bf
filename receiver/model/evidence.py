"""What was kept of a workflow before a run destroyed something of it, and where it lies."""

from dataclasses import dataclass
from datetime import datetime

KIND = "application/json"
"""Media type of a bundle, once it is unpacked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One bundle: JSON, compressed by gzip.

    Attributes:
        run_id: The run that was about to act.
        cursor: Index of the step that it was about to take.
        at: When it was gathered.
        bucket: The S3 bucket that holds it; empty where it lies in Postgres.
        key: Its key in the bucket; empty where it lies in Postgres.
        sha256: Of the compressed bundle, in hex.
        size: Bytes of the compressed bundle.
    """

    run_id: int
    cursor: int
    at: datetime
    bucket: str
    key: str
    sha256: str
    size: int

    @property
    def place(self) -> str:
        """Where it lies, for people."""
        return f"s3://{self.bucket}/{self.key}" if self.bucket else "postgres"
