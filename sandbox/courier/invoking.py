"""`/automations/invoke` and `/automations/{id}/invoke`."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from sandbox.courier import bodies
from sandbox.courier.listings import found
from sandbox.courier.timestamps import iso
from sandbox.courier.workspace import CourierWorkspace, Row
from sandbox.messages import Reply, Request, json_reply


def by_steps(workspace: CourierWorkspace, request: Request) -> Reply:
    """An automation that the request brings along."""
    body = bodies.json_object(request)
    bodies.rows(bodies.nested(body, "automation"), "steps", "action")
    return _invoked(workspace, request, None, body)


def by_template(workspace: CourierWorkspace, request: Request) -> Reply:
    body, template = bodies.json_object(request), request.parts["id"]
    bodies.text(body, "recipient")
    if workspace.unknown_automation == "missing":
        found(workspace.automations, "id", template)
    return _invoked(workspace, request, template, body)


def invoke(workspace: CourierWorkspace, template: Any, body: Row, run_id: str = "", key: str | None = None) -> None:
    """Starts a run, of which no more is told than that it has ended."""
    run_id = run_id or _new_id()
    row = {"template": template, "runId": run_id, "body": body, "idempotencyKey": key}
    workspace.invocations.append(row)
    at = iso(workspace.now)
    run: Row = {"run_id": run_id, "source": [f"invoke/{template}"] if template else ["api"], "status": "PROCESSED"}
    run |= {"created_at": at, "updated_at": at, "template_id": template}
    workspace.automation_runs.append(run)


def _invoked(workspace: CourierWorkspace, request: Request, template: str | None, body: Row) -> Reply:
    run_id, key = _new_id(), request.headers.get("idempotency-key")
    return json_reply({"runId": run_id}, effect=lambda: invoke(workspace, template, body, run_id, key))


def _new_id() -> str:
    return str(uuid4())
