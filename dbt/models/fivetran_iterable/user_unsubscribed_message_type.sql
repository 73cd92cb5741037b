select
    coalesce(loaded_at, profile_updated_at) as _fivetran_synced,
    user_key as _fivetran_id,
    element as message_type_id,
    cast(null as {{ dbt.type_string() }}) as email,
    cast(null as {{ dbt.type_timestamp() }}) as updated_at
from (
    {{ messaging.stream('users', {
        'string': ['user_key'], 'timestamp': ['profileUpdatedAt'], 'json': ['unsubscribedMessageTypeIds'],
    }) }}
) as users
{{ messaging.join_elements('users.unsubscribed_message_type_ids') }}
