select
    coalesce(loaded_at, updated_at) as _fivetran_synced,
    id as campaign_id,
    {{ messaging.typed('element', 'integer') }} as suppressed_list_id,
    updated_at
from (
    {{ messaging.stream('campaigns', {
        'integer': ['id'], 'milliseconds': ['updatedAt'], 'json': ['suppressionListIds'],
    }) }}
) as campaigns
{{ messaging.join_elements('campaigns.suppression_list_ids') }}
