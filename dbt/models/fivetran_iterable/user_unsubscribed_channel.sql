select
    coalesce(loaded_at, profile_updated_at) as _fivetran_synced,
    user_key as _fivetran_id,
    {{ messaging.typed('element', 'integer') }} as channel_id,
    cast(null as {{ dbt.type_string() }}) as email,
    cast(null as {{ dbt.type_timestamp() }}) as updated_at
from (
    {{ messaging.stream('users', {
        'string': ['user_key'], 'timestamp': ['profileUpdatedAt'], 'json': ['unsubscribedChannelIds'],
    }) }}
) as users
{{ messaging.join_elements('users.unsubscribed_channel_ids') }}
