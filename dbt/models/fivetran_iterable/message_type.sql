select
    false as _fivetran_deleted,
    coalesce(loaded_at, updated_at) as _fivetran_synced,
    channel_id,
    id,
    name,
    created_at,
    {{ messaging.json_string('frequency_cap') }} as frequency_cap,
    rate_limit_per_minute,
    subscription_policy,
    updated_at
from (
    {{ messaging.stream('message_types', {
        'integer': ['id', 'channelId'], 'string': ['name', 'rateLimitPerMinute', 'subscriptionPolicy'],
        'milliseconds': ['createdAt', 'updatedAt'], 'json': ['frequencyCap'],
    }) }}
) as message_types
