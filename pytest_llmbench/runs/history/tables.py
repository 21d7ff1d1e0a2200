"""The tables as this version of the program knows them; `versions/` makes them."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)

VERSIONS: Final = ("0001", "0002")
"""Every version of the tables that this program knows; the last is its own."""

VERSION_TABLE: Final = "llmbench_version"
"""Not alembic's own name: a team's database may have an application's beside it."""

metadata: Final = MetaData()

runs: Final = Table(
    "runs",
    metadata,
    Column("run_id", Text, primary_key=True),
    Column("at", Text, nullable=False),
    Column("folder", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("stamp", Text, nullable=False),
    Column("times_resumed", Integer, nullable=False),
    Column("recorded_trials", BigInteger, nullable=False),
)
"""One row per run. `at` is when it began, in UTC, and sorts as text; `stamp` tells
whether its summary.json has changed since it was read."""

jobs: Final = Table(
    "jobs",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("run_id", Text, ForeignKey("runs.run_id"), nullable=False),
    Column("position", Integer, nullable=False),
    Column("at", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("phase", Text, nullable=False),
    Column("variant", Text, nullable=False),
    Column("spec", Text, nullable=False),
    Column("suite", Text, nullable=False),
    Column("role", Text),
    Column("runs", Integer, nullable=False),
    Column("passed", Float),
    Column("total", Integer),
    Column("accuracy", Float),
    Column("variance", Float),
    Column("errors", Integer),
    Column("restraint", Float),
    Column("latency_p50_ms", Float),
    Column("latency_p95_ms", Float),
    Column("decision", Text),
    Column("code", Text),
    Column("baseline_spec", Text),
    Column("comparability", Text),
    Column("summary", Text, nullable=False),
    Column("judged_runs", Integer, nullable=False, server_default="0"),
)
"""One row per spec and suite of a run. `summary` is its entry of summary.json, less
what nobody asks over many runs; `comparability` a hash of its key."""

Index("jobs_by_run", jobs.c.run_id)
Index("jobs_by_phase", jobs.c.model, jobs.c.phase, jobs.c.at)
Index("jobs_by_spec", jobs.c.spec, jobs.c.at)

cycles: Final = Table(
    "cycles",
    metadata,
    Column("cycle_index", Integer, primary_key=True, autoincrement=False),
    Column("at", Text, nullable=False),
    Column("loop_id", Text, nullable=False),
    Column("run_id", Text, nullable=False),
    Column("baseline", Text, nullable=False),
    Column("new_canonical", Text),
    Column("interrupted", Boolean, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("data", Text, nullable=False),
)
"""One row per cycle of a loop, counted from 1 without gaps. `fingerprint` is a hash of
`data`, so that a cycle read back from an export is known again."""

seen: Final = Table(
    "seen",
    metadata,
    Column("place", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("entries", BigInteger, nullable=False),
    Column("left_out", Text, nullable=False),
)
"""What `sync` has seen of a reports folder: its days and its export. A day that has
the same time of change and as many entries holds no other runs."""
