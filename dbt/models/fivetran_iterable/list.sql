select
    false as _fivetran_deleted,
    coalesce(loaded_at, created_at) as _fivetran_synced,
    created_at,
    id,
    list_type,
    description,
    name
from (
    {{ messaging.stream('lists', {
        'integer': ['id'], 'string': ['listType', 'description', 'name'], 'milliseconds': ['createdAt'],
    }) }}
) as lists
