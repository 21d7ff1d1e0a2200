"""Runs, their jobs, cycles, and what was seen of the run folders."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the tables."""
    _create_runs()
    _create_jobs()
    _create_cycles()


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("folder", sa.Text, nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("stamp", sa.Text, nullable=False),
        sa.Column("times_resumed", sa.Integer, nullable=False),
        sa.Column("recorded_trials", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "seen",
        sa.Column("place", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("mtime_ns", sa.BigInteger, nullable=False),
        sa.Column("entries", sa.BigInteger, nullable=False),
        sa.Column("left_out", sa.Text, nullable=False),
    )


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("phase", sa.Text, nullable=False),
        sa.Column("variant", sa.Text, nullable=False),
        sa.Column("spec", sa.Text, nullable=False),
        sa.Column("suite", sa.Text, nullable=False),
        sa.Column("role", sa.Text),
        sa.Column("runs", sa.Integer, nullable=False),
        sa.Column("passed", sa.Float),
        sa.Column("total", sa.Integer),
        sa.Column("accuracy", sa.Float),
        sa.Column("variance", sa.Float),
        sa.Column("errors", sa.Integer),
        sa.Column("restraint", sa.Float),
        sa.Column("latency_p50_ms", sa.Float),
        sa.Column("latency_p95_ms", sa.Float),
        sa.Column("decision", sa.Text),
        sa.Column("code", sa.Text),
        sa.Column("baseline_spec", sa.Text),
        sa.Column("comparability", sa.Text),
        sa.Column("summary", sa.Text, nullable=False),
    )
    op.create_index("jobs_by_run", "jobs", ["run_id"])
    op.create_index("jobs_by_spec", "jobs", ["spec", "at"])


def _create_cycles() -> None:
    op.create_table(
        "cycles",
        sa.Column("cycle_index", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("at", sa.Text, nullable=False),
        sa.Column("loop_id", sa.Text, nullable=False),
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("baseline", sa.Text, nullable=False),
        sa.Column("new_canonical", sa.Text),
        sa.Column("interrupted", sa.Boolean, nullable=False),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("data", sa.Text, nullable=False),
    )
