"""Made-up data for a workspace: small, always the same for the same anchor day, and hostile in places.

120 messages lie in the 40 days before the anchor; one more comes every two minutes for two days after it.
What stands for a token or another credential starts with `CREDENTIAL`.
"""

from __future__ import annotations

from datetime import date

from sandbox.courier.seed import content, directory, journal, people, sent, workflows
from sandbox.courier.seed.people import CREDENTIAL
from sandbox.courier.workspace import CourierWorkspace

__all__ = ["CREDENTIAL", "fill"]

RETENTION_DAYS = 30


def fill(workspace: CourierWorkspace, anchor: date) -> None:
    workspace.profiles = people.profiles()
    _fill_messages(workspace, anchor)
    workspace.user_tokens = people.tokens()
    workspace.user_preferences = people.preferences()
    workspace.audiences = directory.audiences(anchor)
    workspace.audience_members = directory.audience_members(anchor)
    workspace.lists = directory.lists(anchor)
    workspace.list_subscriptions = directory.list_subscriptions(anchor)
    workspace.tenants = directory.tenants()
    workspace.tenant_users = directory.tenant_users()
    _fill_workflows(workspace, anchor)
    workspace.brands = content.brands(anchor)
    workspace.notifications = content.notifications(anchor)
    workspace.routing_strategies = content.routing_strategies(anchor)
    workspace.preference_sections = content.preference_sections(anchor)
    workspace.preference_topics = content.preference_topics(anchor)
    workspace.providers = content.providers(anchor)
    workspace.mappings = {"ORDER_SHIPPED": "nt_00"}
    workspace.broadcasts = content.broadcasts(anchor)
    workspace.audit_events = content.audit_events(anchor)
    workspace.collections = content.collections(anchor)
    workspace.objects = content.objects(anchor)


def _fill_messages(workspace: CourierWorkspace, anchor: date) -> None:
    workspace.messages = sent.messages(anchor)
    workspace.retention_days = RETENTION_DAYS
    workspace.expired = {row["id"] for row in workspace.messages if row.get("event") == sent.FORGOTTEN}
    for row in workspace.messages:
        workspace.history[row["id"]] = journal.history(row, workspace.profiles)
        workspace.outputs[row["id"]] = journal.outputs(row)


def _fill_workflows(workspace: CourierWorkspace, anchor: date) -> None:
    workspace.automations = workflows.templates("automation", anchor)
    workspace.automation_runs = workflows.runs("automation", 45, anchor)
    workspace.journeys = workflows.templates("journey", anchor)
    workspace.journey_runs = workflows.runs("journey", 25, anchor)
    workspace.run_steps = {
        run["run_id"]: workflows.steps(run) for run in workspace.automation_runs + workspace.journey_runs
    }
