-- All events with all their columns and the user each is about; event and event_extension choose from them.
{{ config(materialized='ephemeral') }}

{%- set placed = {
    'string': [
        'event_id', 'email', 'messageBusId', 'messageId', 'recipientState', 'status', 'unsubSource', 'userAgent',
        'userAgentDevice', 'platformEndpoint', 'region', 'smsMessage', 'renderedSmsMessage', 'toPhoneNumber', 'url',
        'workflowName', 'city', 'clickedUrl', 'country', 'errorCode', 'fromPhoneNumber', 'messageStatus', 'reason',
    ],
    'integer': [
        'campaignId', 'contentId', 'messageTypeId', 'catalogCollectionCount', 'catalogLookupCount', 'fromSMSSenderId',
        'workflowId', 'mmsSendCount', 'smsSendCount',
    ],
    'boolean': ['appAlreadyRunning', 'isSMSEstimation'],
    'timestamp': ['createdAt', 'expiresAt'],
    'json': ['transactionalData', 'deviceInfo'],
} %}
{%- set fields = {
    'string': placed.string + ['userId', 'itblUserId'],
    'integer': placed.integer + ['templateId'],
    'boolean': placed.boolean,
    'timestamp': placed.timestamp,
    'json': placed.json + ['data'],
} %}
{%- set catalog = messaging.catalog() %}

with events as (
    {%- for name in messaging.event_streams() %}
    {%- set found = catalog.get(name, {'fields': {}}) %}
    {{ messaging.stream(name, fields, {
        'event_name': "'" ~ messaging.event_name(name) ~ "'",
        'additional_properties':
            messaging.json_with(messaging.column(found, 'data'), messaging.other_columns(found, placed)),
    }, catalog) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
), identified as (
    select
        events.*,
        coalesce(
            by_id.user_key, by_email.user_key, by_user_id.user_key, events.itbl_user_id, events.email, events.user_id
        ) as user_key,
        -- dbt_iterable groups by user and address: where a user's events had several, he would become several.
        case
            when by_id.user_key is not null then by_id.email
            when by_email.user_key is not null then by_email.email
            when by_user_id.user_key is not null then by_user_id.email
            else events.email
        end as present_email
    from events
    left join {{ ref('user_identity') }} as by_id
        on by_id.kind = 'itblUserId' and by_id.identifier = events.itbl_user_id
    left join {{ ref('user_identity') }} as by_email
        on by_email.kind = 'email' and by_email.identifier = lower(events.email)
    left join {{ ref('user_identity') }} as by_user_id
        on by_user_id.kind = 'userId' and by_user_id.identifier = events.user_id
)
select *
from identified
