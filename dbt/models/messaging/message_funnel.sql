{%- set sends = [
    'email_send', 'push_send', 'web_push_send', 'in_app_send', 'sms_send', 'whats_app_send', 'embedded_send',
    'rcs_send',
] %}
{#- Of what there is no delivery event, that which did not bounce arrived. -#}
{%- set fetched = ['in_app_send', 'embedded_send'] %}
{%- set steps = {
    'delivered': ['in_app_delivery', 'embedded_received'],
    'bounced': ['email_bounce', 'push_bounce', 'sms_bounce', 'whats_app_bounce'],
    'opened': ['email_open', 'push_open', 'in_app_open', 'whats_app_seen', 'embedded_impression'],
    'clicked': ['email_click', 'web_push_click', 'in_app_click', 'sms_click', 'whats_app_click', 'embedded_click'],
    'unsubscribed': ['email_unsubscribe'],
} %}
{%- set catalog = messaging.catalog() %}

with sends as (
    {%- for name in sends %}
    {{ messaging.stream(name, {
        'string': ['messageId'], 'integer': ['campaignId', 'templateId'], 'timestamp': ['createdAt'],
    }, {'is_fetched': (name in fetched) | lower}, catalog) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
), steps as (
    {%- for step, names in steps.items() %}
    {%- set last_step = loop.last %}
    {%- for name in names %}
    {{ messaging.stream(
        name, {'string': ['messageId', 'seenMessageId']}, {'step': "'" ~ step ~ "'"}, catalog
    ) }}
    {{ 'union all' if not (last_step and loop.last) }}
    {%- endfor %}
    {%- endfor %}
), reached as (
    select
        coalesce(message_id, seen_message_id) as message_id,
        {%- for step in steps %}
        max(case when step = '{{ step }}' then 1 else 0 end) as {{ step }}{{ ',' if not loop.last }}
        {%- endfor %}
    from steps
    group by coalesce(message_id, seen_message_id)
), iterable as (
    select
        'iterable' as vendor,
        {{ messaging.typed('sends.campaign_id', 'string') }} as campaign_id,
        {{ messaging.typed('sends.template_id', 'string') }} as template_id,
        cast(sends.created_at as date) as day,
        case when is_fetched then coalesce(delivered, 0) else 1 - coalesce(bounced, 0) end as delivered,
        coalesce(opened, 0) as opened,
        coalesce(clicked, 0) as clicked,
        coalesce(unsubscribed, 0) as unsubscribed
    from sends
    left join reached on reached.message_id = sends.message_id
), courier as (
    select
        'courier' as vendor,
        {{ messaging.typed('null', 'string') }} as campaign_id,
        notification as template_id,
        cast(sent as date) as day,
        case when delivered is null then 0 else 1 end as delivered,
        case when opened is null then 0 else 1 end as opened,
        case when clicked is null then 0 else 1 end as clicked,
        {{ messaging.typed('null', 'integer') }} as unsubscribed
    from (
        {{ messaging.stream('messages', {
            'string': ['notification'], 'milliseconds': ['sent', 'delivered', 'opened', 'clicked'],
        }) }}
    ) as messages
    where sent is not null
), counted as (
    select
        vendor, campaign_id, template_id, day,
        count(*) as sent,
        {%- for step in ['delivered', 'opened', 'clicked', 'unsubscribed'] %}
        {{ messaging.typed('sum(' ~ step ~ ')', 'integer') }} as {{ step }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (select * from iterable union all select * from courier) as messages
    group by vendor, campaign_id, template_id, day
), names as (
    select 'iterable' as vendor, 'campaign' as kind, {{ messaging.typed('id', 'string') }} as id, name
    from (
        {{ messaging.stream('campaigns', {'integer': ['id'], 'string': ['name']}, {}, catalog) }}
    ) as campaigns
    union all
    select 'iterable', 'template', {{ messaging.typed('template_id', 'string') }}, name
    from (
        {{ messaging.stream('templates', {'integer': ['templateId'], 'string': ['name']}, {}, catalog) }}
    ) as templates
    union all
    select 'courier', 'template', id, coalesce(name, title)
    from (
        {{ messaging.stream('notifications', {'string': ['id', 'name', 'title']}, {}, catalog) }}
    ) as notifications
)
select
    counted.vendor,
    counted.campaign_id,
    campaigns.name as campaign,
    counted.template_id,
    templates.name as template,
    counted.day,
    counted.sent,
    counted.delivered,
    counted.opened,
    counted.clicked,
    counted.unsubscribed
from counted
left join names as campaigns
    on campaigns.kind = 'campaign' and campaigns.vendor = counted.vendor and campaigns.id = counted.campaign_id
left join names as templates
    on templates.kind = 'template' and templates.vendor = counted.vendor and templates.id = counted.template_id
