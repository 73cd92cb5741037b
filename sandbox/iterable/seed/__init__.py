"""Made-up data for a project: small, always the same for the same anchor day, and hostile in places.

Events of every data type lie in the 400 days before the anchor; e-mail goes on for 60 days after it, each row
visible once the clock has passed it.
"""

from __future__ import annotations

from datetime import date

from sandbox import samples
from sandbox.iterable import data_types
from sandbox.iterable.listings import LISTINGS
from sandbox.iterable.project import IterableProject
from sandbox.iterable.seed import history, messaging, people
from sandbox.iterable.timestamps import iso, midnight


def fill(project: IterableProject, anchor: date) -> None:
    users = people.users(anchor)
    _fill_listings(project, anchor)
    project.users = users
    project.lists = people.lists(anchor)
    project.list_members = people.list_members(users)
    for data_type in data_types.EVENTS:
        project.add_events(data_type, history.rows(data_type, users, anchor))
    for data_type, row in history.hostile(anchor):
        project.add_events(data_type, [row])
    history.add_coming(project, users, anchor)
    vars(project).update(
        user_fields=people.field_types(users),
        forgotten=messaging.hashes("forgotten", 12),
        forgotten_user_ids=messaging.hashes("u-forgotten", 3),
    )
    for listing in LISTINGS:
        if not project.held(listing.name):
            made = (samples.row(listing.name, number, lambda _: iso(midnight(anchor))) for number in range(1, 4))
            project.held(listing.name).extend(made)


def _fill_listings(project: IterableProject, anchor: date) -> None:
    project.channels = messaging.channels()
    project.message_types = messaging.message_types(anchor)
    project.campaigns = messaging.campaigns(anchor)
    project.templates = messaging.templates(anchor)
    project.locales = {row["templateId"]: ["de", "pt_BR"] for row in project.templates[::2]}
    project.journeys = messaging.journeys(anchor)
    project.experiments = messaging.experiments(anchor)
    project.experiment_metrics = messaging.experiment_metrics(anchor)
    project.metadata = messaging.metadata(anchor)
    project.catalogs = messaging.catalogs(anchor)
