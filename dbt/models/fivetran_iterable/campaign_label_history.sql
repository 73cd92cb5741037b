select
    coalesce(loaded_at, updated_at) as _fivetran_synced,
    id as campaign_id,
    element as label,
    updated_at
from (
    {{ messaging.stream('campaigns', {'integer': ['id'], 'milliseconds': ['updatedAt'], 'json': ['labels']}) }}
) as campaigns
{{ messaging.join_elements('campaigns.labels') }}
