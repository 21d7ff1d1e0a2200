"""How many runs of a job were judged, so that the newest need no look into JSON."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_BATCH = 500


def upgrade() -> None:
    """Add the column, count what is stored, and sort jobs by model and phase."""
    op.add_column(
        "jobs",
        sa.Column("judged_runs", sa.Integer, nullable=False, server_default="0"),
    )
    jobs = sa.table(
        "jobs",
        sa.column("id", sa.Integer),
        sa.column("summary", sa.Text),
        sa.column("judged_runs", sa.Integer),
    )
    connection = op.get_bind()
    last = 0
    while rows := connection.execute(
        sa
        .select(jobs.c.id, jobs.c.summary)
        .where(jobs.c.id > last)
        .order_by(jobs.c.id)
        .limit(_BATCH)
    ).all():
        connection.execute(
            sa.update(jobs).where(jobs.c.id == sa.bindparam("job")),
            [{"job": id_, "judged_runs": _judged(text)} for id_, text in rows],
        )
        last = rows[-1].id
    op.create_index("jobs_by_phase", "jobs", ["model", "phase", "at"])


def _judged(summary: str) -> int:
    runs: list[dict[str, Any]] = json.loads(summary)["runs"]
    return sum(run["passed"] + run["failed"] + run["timed_out"] > 0 for run in runs)
