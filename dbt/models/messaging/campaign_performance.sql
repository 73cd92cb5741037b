{%- set counts = ['sent', 'delivered', 'opened', 'clicked', 'unsubscribed'] %}
{#- A campaign has one medium, so one of these. -#}
{%- set reported = [
    'total_email_sends', 'total_pushes_sent', 'total_web_pushes_sent', 'total_in_app_sent', 'total_sms_sent',
] %}

with funnel as (
    select
        campaign_id,
        {%- for step in counts %}
        {{ messaging.typed('sum(' ~ step ~ ')', 'integer') }} as {{ step }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('message_funnel') }}
    where vendor = 'iterable'
    group by campaign_id
), campaigns as (
    {{ messaging.stream('campaigns', {
        'integer': ['id', 'workflowId', 'sendSize'],
        'string': ['name', 'messageMedium', 'type', 'campaignState'], 'milliseconds': ['startAt'],
    }) }}
), metrics as (
    {{ messaging.stream('campaigns_metrics', {'integer': ['id'], 'number': ['revenue'] + reported}) }}
)
select
    campaigns.id as campaign_id,
    campaigns.name as campaign,
    campaigns.message_medium as medium,
    campaigns.type,
    campaigns.campaign_state as state,
    campaigns.workflow_id,
    campaigns.start_at as started_at,
    campaigns.send_size,
    {%- for step in counts %}
    coalesce(funnel.{{ step }}, 0) as {{ step }},
    {%- endfor %}
    round(100.0 * funnel.delivered / funnel.sent, 1) as delivery_rate,
    round(100.0 * funnel.opened / funnel.sent, 1) as open_rate,
    round(100.0 * funnel.clicked / funnel.sent, 1) as click_rate,
    round(100.0 * funnel.unsubscribed / funnel.sent, 1) as unsubscribe_rate,
    {{ messaging.typed('coalesce(' ~ reported | join(', ') ~ ')', 'integer') }} as reported_sent,
    metrics.revenue as reported_revenue
from campaigns
left join funnel on funnel.campaign_id = {{ messaging.typed('campaigns.id', 'string') }}
left join metrics on metrics.id = campaigns.id
