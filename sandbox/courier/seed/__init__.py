"""Made-up data for a workspace: small, always the same for the same anchor day, and hostile in places.

120 messages lie in the 40 days before the anchor; one more comes every two minutes for two days after it.
What stands for a token or another credential starts with `CREDENTIAL`.
"""

from __future__ import annotations

from datetime import date

from sandbox.courier.seed import journal, listed, people, sent
from sandbox.courier.seed.people import CREDENTIAL
from sandbox.courier.workspace import CourierWorkspace

__all__ = ["CREDENTIAL", "fill"]

RETENTION_DAYS = 30


def fill(workspace: CourierWorkspace, anchor: date) -> None:
    workspace.profiles = people.profiles()
    workspace.messages = sent.messages(anchor)
    workspace.retention_days = RETENTION_DAYS
    workspace.expired = {row["id"] for row in workspace.messages if row.get("event") == sent.FORGOTTEN}
    for row in workspace.messages:
        workspace.history[row["id"]] = journal.history(row, workspace.profiles)
        workspace.outputs[row["id"]] = journal.outputs(row)
    workspace.mappings = {"ORDER_SHIPPED": "nt_00"}
    listed.fill(workspace, anchor)
