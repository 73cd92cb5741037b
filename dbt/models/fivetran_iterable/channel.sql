select
    false as _fivetran_deleted,
    loaded_at as _fivetran_synced,
    channel_type,
    id,
    message_medium,
    name
from (
    {{ messaging.stream('channels', {'integer': ['id'], 'string': ['channelType', 'messageMedium', 'name']}) }}
) as channels
