select
    message_id,
    position,
    type as status,
    ts as occurred_at,
    {{ dbt.datediff('lag(ts) over (partition by message_id order by position)', 'ts', 'millisecond') }} / 1000.0
        as seconds_since_previous,
    {{ messaging.json_text('channel', 'label') }} as channel,
    {{ messaging.json_text('integration', 'provider') }} as provider,
    notification_id as template_id,
    recipient,
    reason,
    error_message
from (
    {{ messaging.stream('message_history', {
        'string': ['message_id', 'type', 'notification_id', 'recipient', 'reason', 'error_message'],
        'integer': ['position'], 'milliseconds': ['ts'], 'json': ['channel', 'integration'],
    }) }}
) as message_history
