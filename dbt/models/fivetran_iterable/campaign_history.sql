select
    coalesce(loaded_at, updated_at) as _fivetran_synced,
    campaign_state,
    created_at,
    created_by_user_id,
    updated_by_user_id,
    ended_at,
    id,
    name,
    recurring_campaign_id,
    send_size,
    start_at,
    template_id,
    type,
    updated_at,
    workflow_id,
    message_medium
from (
    {{ messaging.stream('campaigns', {
        'integer': ['id', 'recurringCampaignId', 'sendSize', 'templateId', 'workflowId'],
        'string': ['campaignState', 'createdByUserId', 'updatedByUserId', 'name', 'type', 'messageMedium'],
        'milliseconds': ['createdAt', 'updatedAt', 'startAt', 'endedAt'],
    }) }}
) as campaigns
