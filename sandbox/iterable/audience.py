"""`/api/lists…` and `/api/users/…`: who is written to."""

from __future__ import annotations

from sandbox.iterable import parameters
from sandbox.iterable.errors import bad_params
from sandbox.iterable.events import Row
from sandbox.iterable.project import IterableProject, Member
from sandbox.messages import Reply, Request, json_reply, lines_reply, text_reply

IDENTIFIERS = ("email", "userId")


def lists(project: IterableProject, request: Request) -> Reply:
    return json_reply({"lists": project.lists})


def list_users(project: IterableProject, request: Request) -> Reply:
    """One identifier a line; with preferUserId the userId of members that have both."""
    members = _members(project, parameters.required(request, "listId"))
    user_ids = _user_ids(project) if parameters.flag(request, "preferUserId") else {}
    return lines_reply(f"{user_ids.get(member, member)}\n".encode() for member in members)


def list_size(project: IterableProject, request: Request) -> Reply:
    return text_reply(str(len(_members(project, request.parts["listId"]))))


def _members(project: IterableProject, list_id: str) -> list[Member]:
    known = {str(row["id"]): row["id"] for row in project.lists}
    if list_id not in known:
        raise bad_params("Invalid email list id", {"projectId": str(project.project_id), "listId": list_id})
    return project.list_members.get(known[list_id], [])


def _user_ids(project: IterableProject) -> dict[str, str]:
    return {row["email"]: row["userId"] for row in project.users if row.get("email") and row.get("userId")}


def user_by_email(project: IterableProject, request: Request) -> Reply:
    """The profile, its fields but the identifiers under `dataFields`; `{}` for a stranger."""
    email = parameters.required(request, "email")
    profile = next((row for row in project.users if row.get("email") == email), None)
    return json_reply({} if profile is None else {"user": _user(profile)})


def _user(profile: Row) -> Row:
    identifiers = {name: profile[name] for name in IDENTIFIERS if name in profile}
    fields = {name: value for name, value in profile.items() if name not in IDENTIFIERS}
    return {**identifiers, "dataFields": fields}


def user_fields(project: IterableProject, request: Request) -> Reply:
    return json_reply({"fields": project.user_fields})


def forgotten(project: IterableProject, request: Request) -> Reply:
    return json_reply({"hashedEmails": project.forgotten})


def forgotten_user_ids(project: IterableProject, request: Request) -> Reply:
    return json_reply({"hashedUserIds": project.forgotten_user_ids})
