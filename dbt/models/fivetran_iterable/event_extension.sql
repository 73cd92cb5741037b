with labels as (
    select campaign_id, {{ dbt.listagg('label', "', '", 'order by label') }} as labels
    from {{ ref('campaign_label_history') }}
    group by campaign_id
), experiments as (
    select campaign_id, template_id, max(experiment_id) as experiment_id
    from (
        {{ messaging.stream('experiment_metrics', {'integer': ['campaign_id', 'template_id', 'experiment_id']}) }}
    ) as experiment_metrics
    group by campaign_id, template_id
), journeys as (
    {{ messaging.stream('journeys', {'integer': ['id'], 'string': ['name']}) }}
)
select
    events.event_id as _fivetran_id,
    coalesce(events.loaded_at, events.created_at) as _fivetran_synced,
    events.app_already_running,
    {{ messaging.webhook_field('badge') }},
    events.catalog_collection_count,
    events.catalog_lookup_count,
    {{ messaging.webhook_field('canonicalUrlId') }},
    cast(null as {{ dbt.type_boolean() }}) as content_available,
    events.content_id,
    {{ messaging.json_string('events.device_info') }} as device,
    'c' || {{ messaging.typed('events.campaign_id', 'string') }}
        || ':t' || {{ messaging.typed('events.template_id', 'string') }}
        || ':' || {{ messaging.email('events.present_email', 'events.user_key') }} as email_id,
    {{ messaging.webhook_field('emailSubject') }},
    {{ messaging.typed('experiments.experiment_id', 'string') }} as experiment_id,
    cast(null as {{ dbt.type_bigint() }}) as from_phone_number_id,
    events.from_smssender_id,
    {{ messaging.webhook_field('linkId') }},
    case when events.event_name = 'emailClick' then events.url end as link_url,
    {{ messaging.webhook_field('locale') }},
    {{ messaging.webhook_field('payload') }},
    events.platform_endpoint,
    {{ messaging.webhook_field('pushMessage') }},
    events.region,
    coalesce(events.sms_message, events.rendered_sms_message) as sms_message,
    events.to_phone_number,
    events.url,
    {{ messaging.typed('coalesce(events.workflow_id, campaigns.workflow_id)', 'string') }} as workflow_id,
    coalesce(events.workflow_name, journeys.name) as workflow_name,
    events.city,
    events.clicked_url,
    events.country,
    events.error_code,
    events.expires_at,
    events.from_phone_number,
    {{ messaging.webhook_field('inAppBody') }},
    events.is_smsestimation as is_sms_estimation,
    labels.labels,
    events.message_status,
    events.mms_send_count,
    events.reason,
    events.sms_send_count,
    events.user_key as _fivetran_user_id
from {{ ref('event_row') }} as events
left join {{ ref('campaign_history') }} as campaigns on campaigns.id = events.campaign_id
left join labels on labels.campaign_id = events.campaign_id
left join experiments
    on experiments.campaign_id = events.campaign_id and experiments.template_id = events.template_id
left join journeys on journeys.id = coalesce(events.workflow_id, campaigns.workflow_id)
