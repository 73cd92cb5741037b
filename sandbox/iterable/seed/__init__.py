"""Made-up data for a project: small, always the same for the same anchor day, and hostile in places.

Events of every data type lie in the 400 days before the anchor; e-mail goes on for 60 days after it, each row
visible once the clock has passed it.
"""

from __future__ import annotations

from datetime import date

from sandbox.iterable import data_types
from sandbox.iterable.project import IterableProject
from sandbox.iterable.seed import history, hostile, messaging, people, stores, trickle


def fill(project: IterableProject, anchor: date) -> None:
    users = people.users(anchor)
    _fill_listings(project, anchor)
    project.users = users
    project.user_fields = people.field_types(users)
    project.lists = people.lists(anchor)
    project.list_members = people.list_members(users)
    for data_type in data_types.EVENTS:
        project.add_events(data_type, history.rows(data_type, users, anchor))
    for data_type, rows in hostile.rows(anchor).items():
        project.add_events(data_type, rows)
    for data_type, rows in trickle.rows(users, anchor).items():
        project.add_events(data_type, [row for i, row in enumerate(rows) if i % trickle.LATE_EVERY])
        project.add_events(data_type, rows[:: trickle.LATE_EVERY], indexed_after=trickle.LATE_SECONDS)


def _fill_listings(project: IterableProject, anchor: date) -> None:
    project.channels = messaging.channels()
    project.message_types = messaging.message_types(anchor)
    project.campaigns = messaging.campaigns(anchor)
    project.templates = messaging.templates(anchor)
    project.journeys = messaging.journeys(anchor)
    project.experiments = messaging.experiments(anchor)
    project.experiment_metrics = messaging.experiment_metrics(anchor)
    project.metadata = stores.metadata(anchor)
    project.catalogs = stores.catalogs(anchor)
    project.snippets = stores.snippets(anchor)
    project.webhooks = stores.webhooks()
    project.forgotten = stores.hashes("forgotten", 12)
    project.forgotten_user_ids = stores.hashes("u-forgotten", 3)
